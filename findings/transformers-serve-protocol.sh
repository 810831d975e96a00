#!/usr/bin/env bash
# Where the server of Hugging Face's transformers differs from the OpenAI API that it speaks.
#
# Seen with transformers 5.19.0 and torch 2.13.0 (PyPI, some 5 GB) on a model of random weights, 2026-11-29:
#   a stream                        ends without `[DONE]`; its last chunk has `usage` though it was not asked for
#   `max_completion_tokens: 2`      is ignored: the model's own maximum holds (`max_tokens: 2` is kept)
#   a field it does not know        422 with `detail`, no `error`
#   a model it does not have        500 with `text/plain`, no JSON
# The extra `serving` leaves out `requests`, which its command line imports.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv py && py/bin/pip install -q torch==2.13.0 'transformers[serving]==5.19.0' requests==2.32.5
cat >model.py <<'PY'
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
vocabulary = {token: index for index, token in enumerate(["<s>", "</s>", *alphabet])}
tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="</s>")
fast.chat_template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"
fast.save_pretrained("model")
config = LlamaConfig(vocab_size=len(vocabulary), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=1024, bos_token_id=0, eos_token_id=None)
llama = LlamaForCausalLM(config)
# No token ends an answer: only a maximum does.
llama.generation_config = GenerationConfig(max_new_tokens=8, bos_token_id=0, pad_token_id=1)
llama.save_pretrained("model")
PY
py/bin/python model.py >/dev/null 2>&1
port=$(py/bin/python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
HF_HUB_OFFLINE=1 py/bin/transformers serve --host 127.0.0.1 --port "$port" >log 2>&1 &
until curl -sf "http://127.0.0.1:$port/health" >/dev/null; do sleep 0.5; done
cat >client.py <<'PY'
import json, sys, urllib.error, urllib.request
address = f"http://127.0.0.1:{sys.argv[1]}/v1/chat/completions"


def ask(**body):
    messages = [{"role": "user", "content": "Hello"}]
    request = urllib.request.Request(address, json.dumps({"model": sys.argv[2], "messages": messages, **body}).encode(), {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, response.headers["content-type"], response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["content-type"], error.read().decode()


_, _, stream = ask(stream=True, max_tokens=2)
events = [line[6:] for line in stream.splitlines() if line.startswith("data: ")]
last = json.loads(events[-1]) if events[-1] != "[DONE]" else {}
print("stream:", "with" if "[DONE]" in events else "without", "[DONE],", "with" if last.get("usage") else "without", "usage")
written = lambda **body: json.loads(ask(**body)[2])["usage"]["completion_tokens"]
print("max_tokens:", "kept" if written(max_tokens=2) <= 2 else "ignored")
print("max_completion_tokens:", "kept" if written(max_completion_tokens=2) <= 2 else "ignored")
status, _, body = ask(wibble=1)
print("unknown field:", status, sorted(json.loads(body)))
status, kind, _ = ask(model="no-such-model")
print("unknown model:", status, kind.split(";")[0])
PY
py/bin/python client.py "$port" "$folder/model" | tee seen
diff seen - <<'SEEN'
stream: without [DONE], with usage
max_tokens: kept
max_completion_tokens: ignored
unknown field: 422 ['detail']
unknown model: 500 text/plain
SEEN

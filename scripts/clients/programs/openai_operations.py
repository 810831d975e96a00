"""Calls each endpoint besides chat with the openai package: openai_operations.py GATEWAY MODEL"""
import base64
import io
import json

from openai import OpenAI
from tell import gateway, model, tell_each

client = OpenAI(base_url=f"{gateway}/v1", api_key="any", max_retries=0)


def audio():
    return ("speech.wav", io.BytesIO(b"la" * 10_000), "audio/wav")


def picture():
    return ("stage.png", io.BytesIO(b"la" * 10_000), "image/png")


def image(response):
    return base64.b64decode(response.data[0].b64_json).decode()


def completed(events):
    return "".join(base64.b64decode(event.b64_json).decode() for event in events if event.type.endswith(".completed"))


def completions_streamed():
    chunks = client.completions.create(model=model, prompt="Hello", stream=True)
    return "".join(chunk.choices[0].text for chunk in chunks)


def speech():
    with client.audio.speech.with_streaming_response.create(model=model, input="Hello", voice="alloy") as response:
        return b"".join(response.iter_bytes()).decode()


def transcriptions_streamed():
    events = client.audio.transcriptions.create(model=model, file=audio(), stream=True)
    return "".join(event.delta for event in events if event.type == "transcript.text.delta")


def files():
    file = client.files.create(file=("notes.txt", b"some notes"), purpose="user_data")
    read = client.files.retrieve(file.id)
    content = client.files.content(file.id).read().decode()
    listed = [each.id for each in client.files.list(extra_query={"model": "files"})]
    assert read.id == file.id and file.id in listed and client.files.delete(file.id).deleted
    return content


def batches():
    request = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "files", "messages": []}}
    file = client.files.create(file=("batch.jsonl", json.dumps(request).encode()), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    done = client.batches.retrieve(batch.id)
    assert done.id in [each.id for each in client.batches.list(extra_query={"model": "files"})]
    assert client.batches.cancel(batch.id).id == batch.id
    return client.files.content(done.output_file_id).read().decode()


tell_each(
    {
        "completions": lambda: client.completions.create(model=model, prompt="Hello").choices[0].text,
        "completions, streamed": completions_streamed,
        "moderations": lambda: client.moderations.create(model=model, input="Hello").model,
        "images.generations": lambda: image(client.images.generate(model=model, prompt="a stage")),
        "images.generations, streamed": lambda: completed(
            client.images.generate(model=model, prompt="a stage", stream=True, partial_images=2)
        ),
        "images.edits": lambda: image(client.images.edit(model=model, image=picture(), prompt="brighter")),
        "images.edits, streamed": lambda: completed(
            client.images.edit(model=model, image=picture(), prompt="brighter", stream=True)
        ),
        "images.variations": lambda: image(client.images.create_variation(model=model, image=picture())),
        "audio.speech": speech,
        "audio.transcriptions": lambda: client.audio.transcriptions.create(model=model, file=audio()).text,
        "audio.transcriptions, streamed": transcriptions_streamed,
        "audio.translations": lambda: client.audio.translations.create(model=model, file=audio()).text,
        "files": files,
        "batches": batches,
    }
)

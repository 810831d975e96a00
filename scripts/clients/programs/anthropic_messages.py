"""Asks one question with the anthropic package, streamed by its helper: anthropic_messages.py GATEWAY MODEL"""
from anthropic import Anthropic
from tell import gateway, model, question, tell

client = Anthropic(base_url=gateway, api_key="any")


def texts():
    messages = [{"role": "user", "content": question}]
    with client.messages.stream(model=model, max_tokens=100, messages=messages) as stream:
        yield from stream.text_stream
        stream.get_final_message()


tell(texts)

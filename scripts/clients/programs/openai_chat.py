"""Asks one question with the openai package, streamed: openai_chat.py GATEWAY MODEL"""
from openai import OpenAI
from tell import gateway, model, question, tell

client = OpenAI(base_url=f"{gateway}/v1", api_key="any")


def texts():
    messages = [{"role": "user", "content": question}]
    for chunk in client.chat.completions.create(model=model, stream=True, messages=messages):
        yield chunk.choices[0].delta.content if chunk.choices else ""


tell(texts)

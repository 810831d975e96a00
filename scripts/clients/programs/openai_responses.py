"""Asks one question with the openai package over the Responses API, streamed: openai_responses.py GATEWAY MODEL"""
from openai import OpenAI
from tell import gateway, model, question, tell

client = OpenAI(base_url=f"{gateway}/v1", api_key="any")


def texts():
    for event in client.responses.create(model=model, stream=True, input=question):
        yield event.delta if event.type == "response.output_text.delta" else ""


tell(texts)

"""Asks one question with the google-genai package, streamed: genai_content.py GATEWAY MODEL"""
from google import genai
from google.genai import types
from tell import gateway, model, question, tell

client = genai.Client(api_key="any", http_options=types.HttpOptions(base_url=gateway))


def texts():
    for chunk in client.models.generate_content_stream(model=model, contents=question):
        yield chunk.text


tell(texts)

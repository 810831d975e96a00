"""Asks one question with langchain-anthropic, streamed: langchain_messages.py GATEWAY MODEL"""
from langchain_anthropic import ChatAnthropic
from tell import gateway, model, question, tell

client = ChatAnthropic(model=model, base_url=gateway, api_key="any", max_tokens=100)


def texts():
    for chunk in client.stream(question):
        yield chunk.text if isinstance(chunk.text, str) else chunk.text()


tell(texts)

"""Asks one question with Pydantic AI's agent over Google's protocol, streamed: pydantic_agent.py GATEWAY MODEL"""
import asyncio

from pydantic_ai import Agent
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.providers.google import GoogleProvider
from tell import gateway, model, question, tell

agent = Agent(GoogleModel(model, provider=GoogleProvider(api_key="any", base_url=gateway)))


async def ask():
    async with agent.run_stream(question) as result:
        return [text async for text in result.stream_text(delta=True)]


tell(lambda: asyncio.run(ask()))

"""Asks one question with LiteLLM's library, streamed: litellm_chat.py GATEWAY MODEL"""
import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
import litellm  # noqa: E402
from tell import gateway, model, question, tell  # noqa: E402

litellm.suppress_debug_info = True


def texts():
    messages = [{"role": "user", "content": question}]
    stream = litellm.completion(
        model=f"openai/{model}", api_base=f"{gateway}/v1", api_key="any", messages=messages, stream=True
    )
    for chunk in stream:
        yield chunk.choices[0].delta.content


tell(texts)

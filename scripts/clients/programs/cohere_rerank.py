"""Reranks with the cohere package, by both of its clients: cohere_rerank.py GATEWAY MODEL"""
import cohere
from tell import gateway, model, tell_each

documents = ["one", "two"]


def order(response):
    return " ".join(f"{result.index}: {result.relevance_score}" for result in response.results)


def client(made):
    return made(api_key="any", base_url=gateway, max_retries=0)


tell_each(
    {
        "rerank": lambda: order(client(cohere.ClientV2).rerank(model=model, query="best", documents=documents)),
        "rerank, version 1": lambda: order(client(cohere.Client).rerank(model=model, query="best", documents=documents)),
    }
)

"""Makes a model of random weights in a folder, for a server that needs one and no network: tiny_llama.py FOLDER"""
import sys

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

folder = sys.argv[1]
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
vocabulary = {token: index for index, token in enumerate(["<s>", "</s>", *alphabet])}
tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="</s>")
fast.chat_template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"
fast.save_pretrained(folder)
size = dict(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4)
config = LlamaConfig(vocab_size=len(vocabulary), max_position_embeddings=1024, bos_token_id=0, eos_token_id=1, **size)
model = LlamaForCausalLM(config)
model.generation_config = GenerationConfig(max_new_tokens=8, bos_token_id=0, eos_token_id=1, pad_token_id=1)
model.save_pretrained(folder)

#!/usr/bin/env python3
"""Writes tests/data/tokenizer/*.json with Hugging Face tokenizers: what each of them makes of the corpus.

Needs `pip install tokenizers==0.23.3 gguf`, the tokenizers that script/fetch-tokenizers fetches, and
the model that script/fetch-model fetches.
"""

import json
import os
import pathlib

import gguf
import tokenizers
from tokenizers import decoders, models, pre_tokenizers

import tokenizer_corpus

DATA = pathlib.Path(__file__).resolve().parent.parent / "data" / "tokenizer"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "caldera"
TOKENIZERS = pathlib.Path(os.environ.get("CALDERA_TEST_CACHE", CACHE / "test-data")) / "tokenizer"
MODEL = CACHE / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
NAMES = ["gpt2", "llama-spm", "llama3.1", "qwen3", "mistral-nemo", "gpt-oss"]
CONTROL = 3


def smollm():
    """SmolLM2's tokenizer from the tables of its GGUF file; the pre-tokenizer is that of its tokenizer.json."""
    fields = gguf.GGUFReader(MODEL).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    types = fields["tokenizer.ggml.token_type"].contents()
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"].contents()]
    tokenizer = tokenizers.Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    digits = pre_tokenizers.Digits(individual_digits=True)
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    control = [token for token, kind in zip(tokens, types) if kind == CONTROL]
    tokenizer.add_special_tokens([tokenizers.AddedToken(token, special=True, normalized=False) for token in control])
    return tokenizer


def golden(tokenizer, texts):
    """Ids of each text with special tokens read; and where they differ from these, by index, the ids with special
    tokens taken as plain text, and what decoding gives where that is not the text."""
    result = {"tokenizers": tokenizers.__version__, "ids": [], "plain_ids": {}, "decoded": {}}
    for i, text in enumerate(texts):
        tokenizer.encode_special_tokens = False
        ids = tokenizer.encode(text).ids
        tokenizer.encode_special_tokens = True
        plain = tokenizer.encode(text).ids
        decoded = tokenizer.decode(ids, skip_special_tokens=True)
        result["ids"].append(ids)
        if plain != ids:
            result["plain_ids"][str(i)] = plain
        if decoded != text:
            result["decoded"][str(i)] = decoded
    return result


def write(name, value):
    """One line per entry of a list, so that a change shows where it is."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    text = text.replace("],[", "],\n[") if isinstance(value, dict) else text.replace('","', '",\n"')
    (DATA / f"{name}.json").write_text(text + "\n", encoding="ascii")


def main():
    texts = tokenizer_corpus.texts()
    DATA.mkdir(parents=True, exist_ok=True)
    write("corpus", texts)
    for name in NAMES:
        write(name, golden(tokenizers.Tokenizer.from_file(str(TOKENIZERS / f"{name}.json")), texts))
    write("smollm", golden(smollm(), texts))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Writes a Hugging Face tokenizer as a GGUF file without tensors: tokenizer_to_gguf.py FOLDER PRE OUT.

FOLDER holds tokenizer.json and tokenizer_config.json. PRE is the value of tokenizer.ggml.pre, or "llama" for a
SentencePiece model. Format and keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import json
import pathlib
import struct
import sys

UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
NEVER = -1e9  # the score that SentencePiece models of Llama's family give to runs of spaces: merged last


def string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def scalar(kind, value):
    pack = {UINT32: "<I", INT32: "<i", FLOAT32: "<f", BOOL: "<?"}
    return string(value) if kind == STRING else struct.pack(pack[kind], value)


def array(kind, values):
    return struct.pack("<IQ", kind, len(values)) + b"".join(scalar(kind, value) for value in values)


def scores(model, size):
    """SentencePiece scores, which tokenizer.json has lost but for their order: it lists merges by falling score."""
    result = [0.0] * size
    merged = dict.fromkeys(merge.replace(" ", "") for merge in model["merges"])
    for rank, text in enumerate(merged):
        result[model["vocab"][text]] = NEVER if set(text) == {"\u2581"} else -float(rank)
    return result


def content(token):
    """A token's text in tokenizer_config.json, which may be wrapped in an object."""
    return token["content"] if isinstance(token, dict) else token


def convert(folder, pre):
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    model = tokenizer["model"]
    ids = dict(model["vocab"])
    types = {id: NORMAL for id in ids.values()}
    if model.get("byte_fallback"):
        types.update({id: BYTE for text, id in ids.items() if len(text) == 6 and text.startswith("<0x")})
    for token in tokenizer["added_tokens"]:
        ids[token["content"]] = token["id"]
        types[token["id"]] = CONTROL if token["special"] else USER_DEFINED
    if model.get("unk_token"):
        types[ids[model["unk_token"]]] = UNKNOWN
    texts = {id: text for text, id in ids.items()}
    size = max(texts) + 1

    entries = [
        ("general.architecture", STRING, "llama"),
        ("tokenizer.ggml.model", STRING, "llama" if pre == "llama" else "gpt2"),
    ]
    arrays = [
        ("tokenizer.ggml.tokens", STRING, [texts.get(id, f"[PAD{id}]") for id in range(size)]),
        ("tokenizer.ggml.token_type", INT32, [types.get(id, UNUSED) for id in range(size)]),
    ]
    if pre == "llama":
        arrays.append(("tokenizer.ggml.scores", FLOAT32, scores(model, size)))
    else:
        entries.append(("tokenizer.ggml.pre", STRING, pre))
        merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
        arrays.append(("tokenizer.ggml.merges", STRING, merges))
    for name in ("bos", "eos", "unk"):
        text = content(config.get(f"{name}_token"))
        if text in ids:
            key = {"unk": "unknown"}.get(name, name)
            entries.append((f"tokenizer.ggml.{key}_token_id", UINT32, ids[text]))
    for name in ("add_bos_token", "add_eos_token"):
        if isinstance(config.get(name), bool):
            entries.append((f"tokenizer.ggml.{name}", BOOL, config[name]))

    out = [b"GGUF", struct.pack("<IQQ", 3, 0, len(entries) + len(arrays))]
    for key, kind, value in entries:
        out += [string(key), struct.pack("<I", kind), scalar(kind, value)]
    for key, kind, values in arrays:
        out += [string(key), struct.pack("<I", ARRAY), array(kind, values)]
    return b"".join(out)


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    folder, pre, out = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
    partial = out.with_suffix(".partial")
    partial.write_bytes(convert(folder, pre))
    partial.rename(out)


if __name__ == "__main__":
    main()

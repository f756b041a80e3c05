#!/usr/bin/env python3
# Writes tests/data/model/embeddings.json: pooled hidden states of SmolLM2 and of a tiny Qwen3, computed in double
# precision from what their GGUF files decode to, by a forward pass of its own. What transformers computed of the same
# weights (the committed logits) must come out of it, or nothing is written. tests/data/model/README.md defines the file.
# Requirements: gguf==0.19.0 numpy==2.4.6
# Use: python3 tests/oracle/make_embedding_goldens.py SMOLLM2.gguf tests/data/model
import json
import pathlib
import sys

import gguf
import numpy as np

TOKENS = 40  # of the test text that are pooled, of SmolLM2
TOLERANCE = 2e-3  # between logits, of float32 and deep sums


class Model:
    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        fields = {name: field.contents() for name, field in reader.fields.items()}
        architecture = fields["general.architecture"]
        key = lambda name, otherwise=None: fields.get(f"{architecture}.{name}", otherwise)
        self.tensors = {tensor.name.removesuffix(".weight"):
                        gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float64)
                        for tensor in reader.tensors}
        self.layers = key("block_count")
        self.heads, self.kv_heads = key("attention.head_count"), key("attention.head_count_kv")
        self.head = key("attention.key_length", key("embedding_length") // self.heads)
        self.epsilon = key("attention.layer_norm_rms_epsilon")
        self.base = key("rope.freq_base", 10000.0)
        self.halves = architecture.startswith("qwen")  # pairs that rotate: halves, else neighbours

    def norm(self, x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.epsilon) * self.tensors[name]

    def rotate(self, x):
        """x: (tokens, heads, head)"""
        angles = np.arange(len(x))[:, None] * self.base ** (-np.arange(0, self.head, 2) / self.head)
        cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
        half = self.head // 2
        first, second = (x[..., :half], x[..., half:]) if self.halves else (x[..., ::2], x[..., 1::2])
        turned = first * cos - second * sin, first * sin + second * cos
        if self.halves:
            return np.concatenate(turned, -1)
        return np.stack(turned, -1).reshape(x.shape)

    def layer(self, x, prefix):
        weights = self.tensors
        normed = self.norm(x, prefix + "attn_norm")
        heads = lambda name: (normed @ weights[prefix + name].T).reshape(len(x), -1, self.head)
        query, key, value = heads("attn_q"), heads("attn_k"), heads("attn_v")
        if prefix + "attn_q_norm" in weights:
            query, key = self.norm(query, prefix + "attn_q_norm"), self.norm(key, prefix + "attn_k_norm")
        query, key = self.rotate(query), self.rotate(key)
        group = self.heads // self.kv_heads
        key, value = key.repeat(group, 1), value.repeat(group, 1)
        scores = np.einsum("qhd,khd->hqk", query, key) / np.sqrt(self.head)
        scores = np.where(np.tri(len(x), dtype=bool), scores, -np.inf)
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        x = x + np.einsum("hqk,khd->qhd", shares, value).reshape(len(x), -1) @ weights[prefix + "attn_output"].T
        normed = self.norm(x, prefix + "ffn_norm")
        gate = normed @ weights[prefix + "ffn_gate"].T
        hidden = gate / (1 + np.exp(-gate)) * (normed @ weights[prefix + "ffn_up"].T)
        return x + hidden @ weights[prefix + "ffn_down"].T

    def hidden(self, ids):
        x = self.tensors["token_embd"][ids]
        for i in range(self.layers):
            x = self.layer(x, f"blk.{i}.")
        return self.norm(x, "output_norm")

    def logits(self, hidden):
        return hidden @ self.tensors.get("output", self.tensors["token_embd"]).T


def pooled(file, hidden, ids):
    vectors = {"mean": hidden.mean(0), "first": hidden[0], "last": hidden[-1]}
    return {"model": file, "ids": ids,
            **{name: [round(v, 6) for v in (vector / np.linalg.norm(vector)).tolist()] for name, vector in vectors.items()}}


def check(name, ours, reference):
    worst = np.abs(ours - reference).max()
    print(f"{name}: logits differ from transformers' by {worst:.2g} at most")
    assert worst < TOLERANCE, name


def smollm2(path, folder):
    raw = (folder / "smollm2_kl.bin").read_bytes()
    count = int.from_bytes(raw[8:12], "little")
    ids = np.frombuffer(raw, "<u4", count, 20)
    logits = (folder / "smollm2_logits.bin").read_bytes()
    rows, vocabulary = np.frombuffer(logits, "<u4", 2, 8)
    positions = np.frombuffer(logits, "<u4", rows, 16)
    reference = np.frombuffer(logits, "<f4", rows * vocabulary, 16 + 4 * rows).reshape(rows, vocabulary)
    model = Model(path)
    hidden = model.hidden(ids[:positions[1] + 1])
    for position, row in zip(positions[:2], reference):
        check(f"SmolLM2 at {position}", model.logits(hidden[position]), row)
    return pooled(path.name, hidden[:TOKENS], ids[:TOKENS].tolist())


def tiny(name, folder):
    golden = json.loads((folder / f"{name}.json").read_text())
    model = Model(folder / f"{name}.gguf")
    hidden = model.hidden(golden["ids"])
    check(name, model.logits(hidden[golden["positions"]]), np.array(golden["logits"]))
    return pooled(f"{name}.gguf", hidden, golden["ids"])


def main():
    path, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    goldens = [tiny("tiny_qwen3", folder), smollm2(path, folder)]
    (folder / "embeddings.json").write_text("[\n " + ",\n ".join(json.dumps(golden) for golden in goldens) + "\n]\n")


if __name__ == "__main__":
    main()

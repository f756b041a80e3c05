#!/usr/bin/env python3
# Writes the SmolLM2-135M-Instruct Q4_1 goldens of tests/data/model: what Hugging Face transformers computes in float32
# on the weights that the GGUF file decodes to. tests/data/model/README.md defines every file.
# Requirements: torch==2.15.0 transformers==5.23.0 gguf==0.19.0 tokenizers==0.23.3 numpy==2.4.6 jinja2
# Use: python3 tests/oracle/make_model_goldens.py MODEL.gguf tests/data/model [--compare-loader]
import argparse
import hashlib
import json
import pathlib
import struct

import gguf
import jinja2
import numpy as np
import tokenizers
import torch
import transformers

SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
TOP = 64  # log-probabilities kept a position
STEPS = 72  # tokens of each greedy continuation
MARGIN = 0.03  # least distance of the two best logits that a kept prompt may show
KEPT = 5  # prompts
FULL_LOGITS = (0, 250, -1)  # positions of the text whose logits are kept whole

# More than are kept: the first KEPT whose continuations hold no near tie are taken.
CANDIDATES = [
    ("sky", [("user", "Explain in simple words why the sky is blue.")]),
    ("water", [("user", "List the steps of the water cycle.")]),
    ("photosynthesis", [("user", "Explain photosynthesis.")]),
    ("planets", [("user", "Hello!"), ("assistant", "Hello! How can I help you today?"),
                 ("user", "List the planets of our solar system, one a line, with one fact each.")]),
    ("factorial", [("user", "Write a Python function that computes the factorial of n.")]),
    ("teacher", [("system", "You are a patient teacher."), ("user", "What is a prime number?")]),
    ("rome", [("user", "Tell me about the Roman Empire.")]),
    ("cells", [("user", "What are the parts of a plant cell?")]),
    ("fibonacci", [("user", "Write a C++ program that prints the first ten Fibonacci numbers.")]),
    ("tips", [("user", "Give me five tips for learning a language.")]),
    ("heart", [("user", "How does the human heart work?")]),
    ("ocean", [("user", "Why is the ocean salty?")]),
    ("python", [("user", "What is Python used for?")]),
    ("sort", [("user", "Explain how quicksort works.")]),
    ("sleep", [("system", "Answer as a doctor would."), ("user", "Why do we need sleep?")]),
    ("volcano", [("user", "How do volcanoes form?")]),
]


def open_model(path):
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != SHA256:
        raise SystemExit(f"{path}: sha256 is {digest}, expected {SHA256}")
    reader = gguf.GGUFReader(path)
    return reader, {name: field.contents() for name, field in reader.fields.items()}


def hugging_face_weights(reader, heads, kv_heads):
    """The file's tensors in float32, under transformers' names, rotary pairs back in transformers' order.

    The GGUF converter stores rows 0, d/2, 1, d/2 + 1, ... of every head of Q and K, so that neighbours rotate together;
    transformers rotates row i with row i + d/2.
    """
    parts = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
             "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
             "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
    weights = {}
    for tensor in reader.tensors:
        value = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        name = tensor.name.removesuffix(".weight")
        if name.startswith("blk."):
            _, layer, part = name.split(".")
            count = {"attn_q": heads, "attn_k": kv_heads}.get(part)
            if count:
                rows, columns = value.shape
                value = value.reshape(count, rows // count // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)
            name = f"model.layers.{layer}.{parts[part]}"
        else:
            name = {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}[name]
        weights[name + ".weight"] = torch.from_numpy(np.ascontiguousarray(value))
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    return weights


def build_model(reader, metadata):
    config = transformers.LlamaConfig(
        vocab_size=metadata["llama.vocab_size"], hidden_size=metadata["llama.embedding_length"],
        intermediate_size=metadata["llama.feed_forward_length"], num_hidden_layers=metadata["llama.block_count"],
        num_attention_heads=metadata["llama.attention.head_count"],
        num_key_value_heads=metadata["llama.attention.head_count_kv"],
        max_position_embeddings=metadata["llama.context_length"],
        rms_norm_eps=metadata["llama.attention.layer_norm_rms_epsilon"],
        rope_parameters={"rope_type": "default", "rope_theta": metadata["llama.rope.freq_base"]},
        tie_word_embeddings=True, attn_implementation="eager")
    model = transformers.LlamaForCausalLM(config).float().eval()
    model.load_state_dict(
        hugging_face_weights(reader, config.num_attention_heads, config.num_key_value_heads), strict=True)
    return model


def build_tokenizer(metadata):
    """SmolLM2's tokenizer: byte-level BPE after GPT-2's pattern, every digit on its own."""
    tokens = metadata["tokenizer.ggml.tokens"]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    merges = [tuple(merge.split(" ")) for merge in metadata["tokenizer.ggml.merges"]]
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([
        tokenizers.pre_tokenizers.Digits(individual_digits=True),
        tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    control = [t for t, kind in zip(tokens, metadata["tokenizer.ggml.token_type"]) if kind == 3]
    tokenizer.add_special_tokens([tokenizers.AddedToken(t, special=True, normalized=False) for t in control])
    return tokenizer


def write_distributions(model, tokenizer, folder):
    ids = tokenizer.encode((folder / "kl_text.txt").read_text(encoding="utf-8")).ids
    assert len(ids) >= 640, len(ids)
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0]
    log_p = torch.log_softmax(logits.double(), -1)
    best = log_p.topk(TOP, -1)
    with open(folder / "smollm2_kl.bin", "wb") as out:
        out.write(b"CALDKL01" + struct.pack("<III", len(ids), TOP, logits.shape[1]))
        out.write(np.asarray(ids, "<u4").tobytes())
        for i in range(len(ids)):
            rest = log_p[i].clone()
            rest[best.indices[i]] = -torch.inf
            out.write(best.indices[i].numpy().astype("<u4").tobytes())
            out.write(best.values[i].numpy().astype("<f4").tobytes())
            out.write(struct.pack("<f", torch.logsumexp(rest, -1).item()))
    positions = [p % len(ids) for p in FULL_LOGITS]
    with open(folder / "smollm2_logits.bin", "wb") as out:
        out.write(b"CALDLG01" + struct.pack("<II", len(positions), logits.shape[1]))
        out.write(np.asarray(positions, "<u4").tobytes())
        out.write(logits[positions].numpy().astype("<f4").tobytes())
    next_ids = torch.tensor(ids[1:])
    nll = -log_p[:-1].gather(1, next_ids[:, None]).mean().item()
    print(f"{len(ids)} tokens, perplexity {np.exp(nll):.4f}")
    return {"tokens": len(ids), "mean_negative_log_likelihood": nll}


def greedy(model, ids, end):
    """The STEPS most probable tokens after `ids`, each step's runner-up and its distance in logits.

    Stops early at a near tie or at the end of the turn: such a prompt is not kept.
    """
    tokens, seconds, margins = [], [], []
    cache, step = None, torch.tensor([ids])
    with torch.no_grad():
        for _ in range(STEPS):
            result = model(step, past_key_values=cache, use_cache=True)
            cache, best = result.past_key_values, result.logits[0, -1].topk(2)
            tokens.append(best.indices[0].item())
            seconds.append(best.indices[1].item())
            margins.append((best.values[0] - best.values[1]).item())
            if margins[-1] < MARGIN or tokens[-1] == end:
                break
            step = best.indices[:1][None]
    return tokens, seconds, margins


def write_continuations(model, tokenizer, metadata, likelihood, folder):
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(metadata["tokenizer.chat_template"])
    end = metadata["tokenizer.ggml.eos_token_id"]
    kept = []
    for name, turns in CANDIDATES:
        messages = [{"role": role, "content": content} for role, content in turns]
        prompt = template.render(messages=messages, add_generation_prompt=True)
        ids = tokenizer.encode(prompt).ids
        tokens, seconds, margins = greedy(model, ids, end)
        print(f"{name}: {len(tokens)} tokens, smallest margin {min(margins):.4f}", flush=True)
        if len(tokens) < STEPS:
            continue
        kept.append({"name": name, "messages": messages, "prompt": prompt, "ids": ids, "continuation": tokens,
                     "text": tokenizer.decode(tokens, skip_special_tokens=False), "runner_up": seconds,
                     "margins": [round(m, 5) for m in margins], "smallest_margin": round(min(margins), 5)})
        if len(kept) == KEPT:
            break
    assert len(kept) == KEPT, "add candidates"
    document = {"model": {"file": "SmolLM2-135M-Instruct.Q4_1.gguf", "sha256": SHA256},
                "made_with": {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__},
                "kl_text": likelihood, "prompts": kept}
    text = json.dumps(document, indent=1, ensure_ascii=False)
    (folder / "smollm2_greedy.json").write_text(text + "\n", encoding="utf-8")


def compare_loader(model, path):
    """Checks our mapping of the weights against transformers' own GGUF loader."""
    other = transformers.AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32).state_dict()
    for name, value in model.state_dict().items():
        worst = (value - other[name]).abs().max().item()
        assert worst == 0, f"{name} differs by {worst}"
    print("transformers' GGUF loader gives the same weights")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--compare-loader", action="store_true")
    arguments = parser.parse_args()
    reader, metadata = open_model(arguments.model)
    model, tokenizer = build_model(reader, metadata), build_tokenizer(metadata)
    if arguments.compare_loader:
        compare_loader(model, arguments.model)
    likelihood = write_distributions(model, tokenizer, arguments.folder)
    write_continuations(model, tokenizer, metadata, likelihood, arguments.folder)


if __name__ == "__main__":
    main()

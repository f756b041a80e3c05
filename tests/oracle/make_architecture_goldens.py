#!/usr/bin/env python3
# Writes the synthetic models of tests/data/model: tiny GGUF files with seeded random weights, one an architecture or
# RoPE scaling, each with the logits that Hugging Face transformers computes from the same weights in float32.
# tests/data/model/README.md says what each file covers.
# Requirements: torch==2.15.0 transformers==5.23.0 gguf==0.19.0 numpy==2.4.6
# Use: python3 tests/oracle/make_architecture_goldens.py tests/data/model
import json
import math
import pathlib
import sys

import gguf
import numpy as np
import torch
import transformers

LENGTH = 96  # tokens of the test sequence
POSITIONS = [0, 1, 7, 31, 32, 63, 64, 95]  # whose logits are kept
VOCABULARY = 288  # 256 bytes, merges, and control tokens at the end
CONTROL = ["<|begin|>", "<|end|>", "<|pad|>", "<|unused|>"]

# Each model's transformers class, its configuration, and whether the GGUF converter reorders the rows of Q and K
# (llama and mistral: yes; qwen: no).
MODELS = {
    "tiny_llama3": ("llama", dict(
        hidden_size=64, intermediate_size=64, num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=True,
        rope_parameters=dict(rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0,
                             high_freq_factor=4.0, original_max_position_embeddings=64))),
    "tiny_mistral": ("mistral", dict(
        hidden_size=32, intermediate_size=96, num_attention_heads=2, num_key_value_heads=1, head_dim=64,
        tie_word_embeddings=False, sliding_window=None,
        rope_parameters=dict(rope_type="default", rope_theta=1000000.0))),
    "tiny_qwen2": ("qwen2", dict(
        hidden_size=64, intermediate_size=64, num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=True,
        rope_parameters=dict(rope_type="default", rope_theta=1000000.0))),
    "tiny_qwen3": ("qwen3", dict(
        hidden_size=32, intermediate_size=32, num_attention_heads=2, num_key_value_heads=1, head_dim=128,
        tie_word_embeddings=True, rope_parameters=dict(rope_type="default", rope_theta=1000000.0))),
    "tiny_llama_linear": ("llama", dict(
        hidden_size=32, intermediate_size=96, num_attention_heads=4, num_key_value_heads=2, head_dim=32,
        tie_word_embeddings=True,
        rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=4.0))),
    "tiny_llama_yarn": ("llama", dict(
        hidden_size=32, intermediate_size=96, num_attention_heads=2, num_key_value_heads=1, head_dim=64,
        tie_word_embeddings=True,
        rope_parameters=dict(rope_type="yarn", rope_theta=10000.0, factor=4.0,
                             original_max_position_embeddings=32))),
    "tiny_qwen2_yarn": ("qwen2", dict(
        hidden_size=64, intermediate_size=64, num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=True,
        rope_parameters=dict(rope_type="yarn", rope_theta=10000.0, factor=8.0, attention_factor=1.0,
                             original_max_position_embeddings=32))),
}
CLASSES = {
    "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM, "llama"),
    "mistral": (transformers.MistralConfig, transformers.MistralForCausalLM, "llama"),
    "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM, "qwen2"),
    "qwen3": (transformers.Qwen3Config, transformers.Qwen3ForCausalLM, "qwen3"),
}
TENSORS = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}


def build_model(kind, settings, generator):
    """A model with random weights, all of them f16 values so that an F16 file holds them exactly."""
    config_class, model_class, _ = CLASSES[kind]
    rope = settings["rope_parameters"]
    length = int(rope.get("factor", 1) * rope.get("original_max_position_embeddings", 128))
    config = config_class(vocab_size=VOCABULARY, num_hidden_layers=2, max_position_embeddings=length,
                          rms_norm_eps=1e-5, attn_implementation="eager", bos_token_id=VOCABULARY - 4,
                          eos_token_id=VOCABULARY - 3, pad_token_id=None, **settings)
    model = model_class(config).float().eval()
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            noise = torch.randn(weight.shape, generator=generator)
            if "norm" in name:
                noise = 1 + 0.2 * noise
            elif name.endswith(".bias"):
                noise = 0.5 * noise
            elif "embed_tokens" in name:
                noise *= 0.25  # small beside what the layers add to it, or tied logits would hide the layers
            else:
                # Queries and keys a little larger: attention must prefer some positions for an error to show.
                noise *= (1.6 if "q_proj" in name or "k_proj" in name else 1.0) / math.sqrt(weight.shape[1])
            weight.copy_(noise.half().float())
    return model


def interleave_halves(weight, heads):
    """Rows of every head in the order 0, d/2, 1, d/2 + 1, ...: pairs that rotate together become neighbours."""
    array = weight.reshape(heads, 2, weight.shape[0] // heads // 2, -1)
    return array.swapaxes(1, 2).reshape(weight.shape)


def add_tokenizer(writer):
    """A byte-level BPE vocabulary: the 256 bytes in GPT-2's spelling, a few merges, control tokens."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spelling, extra = {}, 256
    for byte in range(256):
        spelling[byte] = chr(byte if byte in printable else extra)
        extra += byte not in printable
    tokens = [spelling[byte] for byte in range(256)]
    merges, space = [], spelling[32]
    for left, right in ["th", "he", "in", "er", "an", "re", "on", "at", "en", "nd", "ti", "es", "or", "te",
                        "of", "ed", "is", "it", "al", "ar", "st", "to", "nt", "ng",
                        space + "t", space + "a", space + "s", space + "o"]:
        merges.append(f"{left} {right}")
        tokens.append(left + right)
    tokens += CONTROL
    assert len(tokens) == VOCABULARY
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * (VOCABULARY - len(CONTROL)) + [3] * len(CONTROL))
    writer.add_token_merges(merges)
    writer.add_bos_token_id(VOCABULARY - 4)
    writer.add_eos_token_id(VOCABULARY - 3)
    writer.add_add_bos_token(False)


def add_rope(writer, config):
    """RoPE keys as llama.cpp's converter writes them; returns the rope_freqs tensor where the scaling needs one."""
    rope = config.rope_parameters
    writer.add_rope_freq_base(rope["rope_theta"])
    kind = rope["rope_type"]
    if kind in ("linear", "yarn"):
        writer.add_rope_scaling_type(gguf.RopeScalingType(kind))
        writer.add_rope_scaling_factor(rope["factor"])
    if kind == "yarn":
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        if rope.get("attention_factor"):
            # The file's factor multiplies the default 1 + 0.1 ln(factor); transformers' replaces it.
            default = 1 + 0.1 * math.log(rope["factor"])
            writer.add_rope_scaling_attn_factors(rope["attention_factor"] / default)
    if kind != "llama3":
        return None
    # Llama 3.1's smoothing: what each base frequency is divided by.
    factors, size = [], config.head_dim
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    for i in range(0, size, 2):
        turns = rope["original_max_position_embeddings"] * rope["rope_theta"] ** (-i / size) / (2 * math.pi)
        smooth = min(max((turns - low) / (high - low), 0.0), 1.0)
        factors.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    return np.array(factors, dtype=np.float32)


def write_model(name, kind, model, path):
    config, architecture = model.config, CLASSES[kind][2]
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(VOCABULARY)
    if "head_dim" in MODELS[name][1]:
        writer.add_key_length(head)
        writer.add_value_length(head)
    if architecture == "llama":
        writer.add_rope_dimension_count(head)
    factors = add_rope(writer, config)
    add_tokenizer(writer)
    if factors is not None:
        writer.add_tensor("rope_freqs.weight", factors)
    for full, weight in model.state_dict().items():
        value = weight.numpy()
        stem, suffix = full.removeprefix("model.").rsplit(".", 1)
        if stem == "lm_head":
            if config.tie_word_embeddings:
                continue
            target = "output"
        elif stem.startswith("layers."):
            _, layer, part = stem.split(".", 2)
            target = f"blk.{layer}.{TENSORS[part]}"
            if architecture == "llama" and part in ("self_attn.q_proj", "self_attn.k_proj"):
                heads = config.num_attention_heads if "q_proj" in part else config.num_key_value_heads
                value = interleave_halves(value, heads)
        else:
            target = {"embed_tokens": "token_embd", "norm": "output_norm"}[stem]
        writer.add_tensor(f"{target}.{suffix}", value if value.ndim == 1 else value.astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_golden(name, model, ids, path):
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0]
    rows = ["  [" + ", ".join(str(value) for value in logits[p].numpy()) + "]" for p in POSITIONS]
    path.write_text('{\n "model": ' + json.dumps(name + ".gguf") + ',\n "ids": ' + json.dumps(ids)
                    + ',\n "positions": ' + json.dumps(POSITIONS) + ',\n "logits": [\n' + ",\n".join(rows) + "\n ]\n}\n")
    spread = logits.std(-1).mean().item()
    print(f"{name}: logits spread {spread:.3f}, largest {logits.abs().max().item():.3f}")


def main():
    folder = pathlib.Path(sys.argv[1])
    for seed, (name, (kind, settings)) in enumerate(MODELS.items(), 1):
        generator = torch.Generator().manual_seed(seed)
        model = build_model(kind, settings, generator)
        ids = torch.randint(0, VOCABULARY - len(CONTROL), (LENGTH,), generator=generator).tolist()
        write_model(name, kind, model, folder / f"{name}.gguf")
        write_golden(name, model, ids, folder / f"{name}.json")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# Writes tests/data/quant/FORMAT.blocks (raw blocks) and FORMAT.f32 (what they decode to, little-endian floats).
# The decoder is the `gguf` package's; its results must be reproduced to the bit, except for the bits of a NaN.
# Requirements: gguf==0.19.0 numpy==2.4.6
# Use: python3 tests/oracle/make_quant_goldens.py tests/data/quant
import pathlib
import sys

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as Type
from gguf import quants

# Byte offsets of the f16 scales and minima in a block, where they are two bytes of it.
SCALES = {
    "F32": [], "F16": [], "BF16": [],
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
    "IQ1_S": [0], "IQ1_M": [], "IQ2_XXS": [0], "IQ4_NL": [0], "IQ4_XS": [0], "MXFP4": [],
}

# f16 values that a scale may take: zeros, least and greatest subnormal, least normal, one, largest, infinities, NaN.
EXTREMES = np.array([0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x0400, 0x3C00, 0x7BFF, 0xFBFF, 0x7C00, 0xFC00, 0x7E01],
                    dtype=np.uint16)


def scales(rng, count, field=0):
    """As many f16 scales, as their bits: the extremes, in an order of each field's own, so that they meet ordinary
    values and each other; then ordinary ones."""
    usual = rng.normal(0, 0.02, count).astype(np.float16).view(np.uint16)
    usual[:len(EXTREMES)] = np.roll(EXTREMES, 5 * field)
    return usual


def every_entry(blocks, low, high, rng):
    """Lets blocks of IQ1_S name all 2048 entries of the grid: `low` and `high` are their bytes."""
    indices = rng.permutation(2048).astype(np.uint16).reshape(len(blocks), 8, 4)
    blocks[:, low] = (indices & 255).astype(np.uint8).reshape(len(blocks), -1)
    words = blocks[:, high].copy().view(np.uint16) & 0xF000
    words |= ((indices >> 8) << np.array([0, 3, 6, 9], dtype=np.uint16)).sum(axis=2, dtype=np.uint16)
    blocks[:, high] = words.view(np.uint8)


def random_blocks(name, rng):
    elements, size = GGML_QUANT_SIZES[Type[name]]
    if elements == 1:  # any bit pattern is a weight
        return rng.integers(0, 256, (512, size), dtype=np.uint8)
    count = 64 if name == "IQ1_S" else 32 if elements == 32 else 16
    blocks = rng.integers(0, 256, (count, size), dtype=np.uint8)
    for field, offset in enumerate(SCALES[name]):
        blocks[:, offset:offset + 2] = scales(rng, count, field).view(np.uint8).reshape(-1, 2)
    if name == "IQ1_S":
        every_entry(blocks, slice(2, 34), slice(34, 50), rng)
    elif name == "IQ1_M":  # the upper nibbles of four words are its scale
        words = blocks[:, 48:].copy().view(np.uint16) & 0x0FFF
        words |= scales(rng, count)[:, None] >> np.array([0, 4, 8, 12], dtype=np.uint16) << np.uint16(12)
        blocks[:, 48:] = words.view(np.uint8)
    elif name == "IQ2_XXS":  # all 256 entries
        blocks[:8, 2:].reshape(8, 8, 8)[:, :, :4] = rng.permutation(256).reshape(8, 8, 4)
    elif name == "MXFP4":  # powers of two: subnormals, the greatest, those whose weights are beyond a float
        blocks[:7, 0] = [0, 1, 2, 252, 253, 254, 255]
    return blocks


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20240613)
    for name in SCALES:
        blocks = random_blocks(name, rng)
        with np.errstate(all="ignore"):
            values = quants.dequantize(blocks.reshape(-1), Type[name])
        (folder / f"{name}.blocks").write_bytes(blocks.tobytes())
        (folder / f"{name}.f32").write_bytes(values.astype("<f4").tobytes())


if __name__ == "__main__":
    main()

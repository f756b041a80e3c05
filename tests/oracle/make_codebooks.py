#!/usr/bin/env python3
# Writes src/quant/codebooks/*.inc: what the codes of IQ1_S, IQ1_M, IQ2_XXS, IQ4_NL, IQ4_XS and MXFP4 stand for, as the
# `gguf` package has them. C++ and GLSL include the same files.
# Requirements: gguf==0.19.0 numpy==2.4.6
# Use: python3 tests/oracle/make_codebooks.py src/quant/codebooks
import pathlib
import sys

import numpy as np
from gguf import quants

SOURCE = "// Made by tests/oracle/make_codebooks.py from quants.py of the gguf package (https://pypi.org/project/gguf)"


def grid_words(grid, levels):
    """Entries of 16 bits, two a word, the even one low. Code k of an entry's eight is 2 bits from bit
    8 (k & 1) + 4 (k >> 1 & 1) + 2 (k >> 2) up: codebook.hpp says why."""
    codes = np.searchsorted(np.array(levels, dtype=np.float32), grid.reshape(-1, 8)).astype(np.uint32)
    shifts = np.array([8 * (k & 1) + 4 * (k >> 1 & 1) + 2 * (k >> 2) for k in range(8)], dtype=np.uint32)
    entries = (codes << shifts).sum(axis=1, dtype=np.uint32)
    return entries[0::2] | entries[1::2] << np.uint32(16)


def write_grid(path, what, format_class):
    format_class.init_grid()
    words = grid_words(format_class.grid, format_class.grid_map)
    lines = [", ".join(f"0x{word:08X}u" for word in words[i:i + 8]) for i in range(0, len(words), 8)]
    path.write_text(f"{SOURCE}\n// {what}.\n" + ",\n".join(lines) + "\n")


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    write_grid(folder / "iq1_grid.inc", "IQ1_S.grid, codes 0, 1, 2 for -1, 0, 1", quants.IQ1_S)
    write_grid(folder / "iq2_xxs_grid.inc", "IQ2_XXS.grid, codes 0, 1, 2 for 8, 25, 43", quants.IQ2_XXS)
    for name, format_class in (("iq4", quants.IQ4_NL), ("mxfp4", quants.MXFP4)):
        values = ", ".join(str(value) for value in format_class.kvalues)
        (folder / f"{name}_values.inc").write_text(
            f"{SOURCE}\n// {format_class.__name__}.kvalues.\n{values}\n")


if __name__ == "__main__":
    main()

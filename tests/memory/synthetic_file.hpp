// GGUF files of any size with random, finite weights and a tokenizer: models that load and generate.
#pragma once

#include <cstdint>
#include <filesystem>

#include "quant/format.hpp"

namespace caldera::test {

/// A model of the llama architecture.
struct SyntheticFile {
  uint32_t layers = 8;
  uint32_t width = 256;
  uint32_t heads = 4;
  uint32_t kv_heads = 2;
  uint32_t head = 64;
  uint32_t ffn = 512;
  uint32_t context = 512;
  bool tied = false;  ///< no output matrix of its own
  quant::Format format = quant::Format::kQ8_0;
};

/// Writes it as one file or as a split set, and returns the path to open. Matrices repeat a few MiB of random
/// rows of variance 1 / columns, each from a row of its own on, so that no two tensors are alike and writing
/// takes no longer than the disk does. Errors: those of gguf::Writer.
std::filesystem::path write_synthetic(const SyntheticFile& model, const std::filesystem::path& path,
                                      uint32_t splits = 1);

/// The model of the tests that fill a device: 192 MB in sixty layers, no tensor above 1 % of it.
inline constexpr SyntheticFile kManyLayers{
    .layers = 60, .width = 512, .heads = 8, .kv_heads = 2, .head = 64, .ffn = 1536};

/// That model's file, written once a program and removed when it ends.
const std::filesystem::path& many_layers_file();

/// One whose KV pages of 2 MiB are allocations of their own on a small device.
inline constexpr SyntheticFile kLargePages{
    .layers = 4, .width = 256, .heads = 32, .kv_heads = 32, .head = 64, .ffn = 512, .context = 320};

}  // namespace caldera::test

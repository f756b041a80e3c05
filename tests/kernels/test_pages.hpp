// KV pages for the tests of rope and attention: page tables of several sequences, every page an allocation of
// its own; rows in any format of KV memory, encoded and decoded by quant.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "kernels/kernel_test.hpp"
#include "plan/working_memory.hpp"
#include "quant/format.hpp"
#include "quant/half.hpp"

namespace caldera::kernels {

/// Bits of an f16 NaN: what nobody has written.
inline constexpr uint16_t kUnwritten = 0x7E5A;

inline constexpr plan::KvFormat kF16 = plan::KvFormat::kF16;
inline constexpr plan::KvFormat kQ8 = plan::KvFormat::kQ8_0;
inline constexpr plan::KvFormat kQ4 = plan::KvFormat::kQ4_0;
class TestPages {
 public:
  /// `needed[slot]`: numbers of the pages that exist. One layer is tested, behind another and before a third.
  TestPages(const std::vector<std::vector<uint32_t>>& needed, uint32_t kv_heads, uint32_t head,
            plan::KvFormat keys = plan::KvFormat::kF16, plan::KvFormat values = plan::KvFormat::kF16)
      : kv_heads_(kv_heads), head_(head), formats_{keys, values} {
    // From the last to the first, so that pages do not follow each other in memory as they do in the
    // sequence.
    for (size_t slot = needed.size(); slot-- > 0;) {
      std::vector<uint64_t> table;
      for (size_t i = needed[slot].size(); i-- > 0;) {
        const uint32_t number = needed[slot][i];
        auto page =
            std::make_unique<DeviceArray<uint16_t>>(std::vector<uint16_t>(3 * layer_halves(), kUnwritten));
        if (table.size() <= number) table.resize(number + 1);
        table[number] = page->address();
        pages_.emplace(std::pair(slot, number), std::move(page));
      }
      if (table.empty()) table.push_back(0);
      tables_.insert(tables_.begin(), DeviceArray<uint64_t>(table));
    }
    std::vector<uint64_t> addresses;
    for (const DeviceArray<uint64_t>& table : tables_) addresses.push_back(table.address());
    slots_.emplace_back(addresses);
  }

  AttentionShape shape(uint32_t heads, uint32_t window = 0) const {
    return {heads, kv_heads_, head_, layer_halves() * 2, half_bytes(false), window, formats_[0], formats_[1]};
  }
  uint64_t tables() const { return slots_[0].address(); }

  /// A page as it must look: (3 layers, keys and values), in pieces of 16 bits whatever the formats are.
  using Image = std::vector<uint16_t>;
  /// Where an element of the tested layer lies in a page's image, in f16.
  size_t at(bool value, uint32_t kv_head, uint32_t position, uint32_t dimension) const {
    return head_begin(value, kv_head) + size_t{position % kPageTokens} * head_ + dimension;
  }

  /// Puts the numbers of a head's row into an image.
  void set_row(Image& image, bool value, uint32_t kv_head, uint32_t position,
               std::span<const float> numbers) const {
    if (format(value) == plan::KvFormat::kF16) {
      for (uint32_t d = 0; d < head_; ++d) {
        image[at(value, kv_head, position, d)] = quant::f16_from_float(numbers[d]);
      }
      return;
    }
    std::vector<std::byte> blocks(block_bytes(value) * (head_ / 32));
    quant::encode(block_format(value), numbers, blocks);
    for (uint32_t b = 0; b < head_ / 32; ++b) {
      const std::byte* const block = &blocks[b * block_bytes(value)];
      std::memcpy(&image[scale_at(value, kv_head, position, b)], block, 2);
      std::memcpy(&image[codes_at(value, kv_head, position, b)], block + 2, block_bytes(value) - 2);
    }
  }

  /// What a head's row in an image stands for.
  std::vector<double> row(const Image& image, bool value, uint32_t kv_head, uint32_t position) const {
    std::vector<double> numbers(head_);
    if (format(value) == plan::KvFormat::kF16) {
      for (uint32_t d = 0; d < head_; ++d) {
        numbers[d] = double{quant::float_from_f16(image[at(value, kv_head, position, d)])};
      }
      return numbers;
    }
    std::vector<std::byte> blocks(block_bytes(value) * (head_ / 32));
    for (uint32_t b = 0; b < head_ / 32; ++b) {
      std::byte* const block = &blocks[b * block_bytes(value)];
      std::memcpy(block, &image[scale_at(value, kv_head, position, b)], 2);
      std::memcpy(block + 2, &image[codes_at(value, kv_head, position, b)], block_bytes(value) - 2);
    }
    quant::decode(block_format(value), blocks, std::span<double>(numbers));
    return numbers;
  }

  /// Copies a head's row, as it lies in memory, from one image to another.
  void copy_row(const Image& from, Image& to, bool value, uint32_t kv_head, uint32_t position) const {
    if (format(value) == plan::KvFormat::kF16) {
      std::copy_n(&from[at(value, kv_head, position, 0)], head_, &to[at(value, kv_head, position, 0)]);
      return;
    }
    for (uint32_t b = 0; b < head_ / 32; ++b) {
      const size_t scale = scale_at(value, kv_head, position, b);
      to[scale] = from[scale];
      const size_t codes = codes_at(value, kv_head, position, b);
      std::copy_n(&from[codes], block_bytes(value) / 2 - 1, &to[codes]);
    }
  }

  /// How far each number that a kernel has stored may be from the one it was made of.
  std::vector<double> row_tolerance(bool value, std::span<const double> numbers) const {
    std::vector<double> tolerance(head_);
    if (format(value) == plan::KvFormat::kF16) {
      // An f16 may be rounded either way (one ulp, 2^-10); 2^-18 stands for the f32 before it.
      for (uint32_t d = 0; d < head_; ++d) tolerance[d] = std::abs(numbers[d]) * 0x1p-10 + 0x1p-18;
      return tolerance;
    }
    const std::vector<float> floats(numbers.begin(), numbers.end());
    std::vector<std::byte> blocks(block_bytes(value) * (head_ / 32));
    quant::encode(block_format(value), floats, blocks);
    std::vector<double> reference(head_);
    quant::decode(block_format(value), blocks, std::span<double>(reference));
    for (uint32_t d = 0; d < head_; ++d) {
      uint16_t scale = 0;
      std::memcpy(&scale, &blocks[d / 32 * block_bytes(value)], 2);
      // Half a step, as far as the kernel's f32 tells halves; where the range is a step shorter, as the
      // encoder does.
      const double half_step = std::abs(double{quant::float_from_f16(scale)}) / 2;
      tolerance[d] = std::max(half_step, std::abs(reference[d] - numbers[d])) * (1 + 0x1p-9) + 0x1p-18;
    }
    return tolerance;
  }

  Image blank() const { return Image(3 * size_t{layer_halves()}, kUnwritten); }
  Image read(uint32_t slot, uint32_t page) const { return pages_.at({slot, page})->get(); }
  void write(uint32_t slot, uint32_t page, const Image& image) { pages_.at({slot, page})->set(image); }
  const auto& pages() const { return pages_; }

 private:
  plan::KvFormat format(bool value) const { return formats_[value ? 1 : 0]; }
  uint32_t half_bytes(bool value) const {
    return static_cast<uint32_t>(plan::half_layer_bytes(kv_heads_, head_, format(value)));
  }
  /// Pieces of 16 bits of one layer in one page.
  uint32_t layer_halves() const { return (half_bytes(false) + half_bytes(true)) / 2; }
  quant::Format block_format(bool value) const {
    return format(value) == plan::KvFormat::kQ8_0 ? quant::Format::kQ8_0 : quant::Format::kQ4_0;
  }
  uint32_t block_bytes(bool value) const { return quant::info(block_format(value)).block_bytes; }

  // Where a head's rows, the codes of a block and its scale lie in an image: glsl/kv_rows.glsl.
  size_t head_begin(bool value, uint32_t kv_head) const {
    return layer_halves() + ((value ? half_bytes(false) : 0) + half_bytes(value) / kv_heads_ * kv_head) / 2;
  }
  size_t codes_at(bool value, uint32_t kv_head, uint32_t position, uint32_t block) const {
    const uint32_t halves = block_bytes(value) / 2 - 1;
    return head_begin(value, kv_head) + (size_t{position % kPageTokens} * (head_ / 32) + block) * halves;
  }
  size_t scale_at(bool value, uint32_t kv_head, uint32_t position, uint32_t block) const {
    return codes_at(value, kv_head, 0, 0) +
           size_t{kPageTokens} * (head_ / 32) * (block_bytes(value) / 2 - 1) +
           size_t{position % kPageTokens} * (head_ / 32) + block;
  }

  uint32_t kv_heads_;
  uint32_t head_;
  plan::KvFormat formats_[2];  // of keys and values
  std::map<std::pair<uint32_t, uint32_t>, std::unique_ptr<DeviceArray<uint16_t>>> pages_;
  std::vector<DeviceArray<uint64_t>> tables_;
  std::vector<DeviceArray<uint64_t>> slots_;
};

/// Stands for all KV memory in the barriers of a recording.
inline constexpr Range kKv{UINT64_MAX - 1, 1};

}  // namespace caldera::kernels

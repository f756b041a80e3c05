// KV pages for the tests of rope and attention: page tables of several sequences, every page an allocation of
// its own.
#pragma once

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/kernel_test.hpp"
#include "quant/half.hpp"

namespace caldera::kernels {

/// Bits of an f16 NaN: what nobody has written.
inline constexpr uint16_t kUnwritten = 0x7E5A;

class TestPages {
 public:
  /// `needed[slot]`: numbers of the pages that exist. One layer is tested, behind another and before a third.
  TestPages(const std::vector<std::vector<uint32_t>>& needed, uint32_t kv_heads, uint32_t head)
      : kv_heads_(kv_heads), head_(head) {
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
    return {heads, kv_heads_, head_, layer_halves() * 2, layer_halves(), window};
  }
  uint64_t tables() const { return slots_[0].address(); }

  /// A page as it must look: (3 layers, K and V, kv_heads, kPageTokens, head) f16.
  using Image = std::vector<uint16_t>;
  /// Where an element of the tested layer lies in a page's image.
  size_t at(bool value, uint32_t kv_head, uint32_t position, uint32_t dimension) const {
    return layer_halves() + (value ? layer_halves() / 2 : 0) +
           (size_t{kv_head} * kPageTokens + position % kPageTokens) * head_ + dimension;
  }
  Image blank() const { return Image(3 * size_t{layer_halves()}, kUnwritten); }
  Image read(uint32_t slot, uint32_t page) const { return pages_.at({slot, page})->get(); }
  void write(uint32_t slot, uint32_t page, const Image& image) { pages_.at({slot, page})->set(image); }
  const auto& pages() const { return pages_; }

 private:
  /// f16 of one layer in one page; as many bytes hold its keys.
  uint32_t layer_halves() const { return 2 * kv_heads_ * kPageTokens * head_; }

  uint32_t kv_heads_;
  uint32_t head_;
  std::map<std::pair<uint32_t, uint32_t>, std::unique_ptr<DeviceArray<uint16_t>>> pages_;
  std::vector<DeviceArray<uint64_t>> tables_;
  std::vector<DeviceArray<uint64_t>> slots_;
};

/// Stands for all KV memory in the barriers of a recording.
inline constexpr Range kKv{UINT64_MAX - 1, 1};

}  // namespace caldera::kernels

// One sequence as the device sees it: its pages, how it is sampled, and where its drawn tokens land.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "caldera/session.hpp"
#include "engine/kv_pages.hpp"
#include "kernels/state.hpp"
#include "vulkan/device.hpp"

namespace caldera::engine {

/// Device memory of one sequence; goes with the device. The device must be idle for every change.
class SlotMemory {
 public:
  SlotMemory(vulkan::Device& device, KvPages& pages, uint32_t vocabulary, uint32_t context);

  /// Makes sure that pages for the first `count` tokens are in the table. Errors: kMemory. May be called
  /// while the device works on earlier tokens.
  void reserve(uint32_t count);
  /// Gives back the pages that hold none of the first `count` tokens.
  void keep(uint32_t count);

  /// Whether another sequence refers to the page that token `position` is in.
  bool shares(uint32_t position) const;
  /// Refers to another sequence's pages instead of its own from page `first` on.
  void adopt(uint32_t first, std::span<const KvPages::Page> pages);

  /// What is left of a sequence's pages without some in the middle.
  struct PageDrop {
    uint32_t first;                        ///< page that was dropped
    std::vector<KvPages::Page> pages;      ///< those before, and those behind
    std::vector<kernels::PageMove> moves;  ///< how the keys of those behind come to be there
  };
  /// Without `count` pages from page `first` on; the first `used` pages hold tokens. What another sequence
  /// refers to as well is moved to a page of its own. Changes nothing yet. Errors: kMemory.
  PageDrop plan_drop(uint32_t first, uint32_t count, uint32_t used);
  /// After the moves were done.
  void drop(PageDrop drop);

  /// Prepares drawing: parameters, and the penalty window from `tokens`, all of the sequence so far.
  void begin(std::span<const Token> tokens, const SamplingOptions& sampling, uint64_t seed,
             uint32_t decode_entry, std::span<const Token> end_tokens);
  /// Goes on drawing as another entry of the decode batch. At the first kernels::kMaxEndTokens of
  /// `end_tokens` the device ends the sequence itself.
  void move_in_decode(uint32_t entry, std::span<const Token> end_tokens);
  /// Only tokens whose bit is set may be drawn from now on, (vocabulary + 31) / 32 words; none: all may. One
  /// must be set. Errors: kMemory.
  void set_mask(std::span<const uint32_t> bits);
  /// Goes on drawing after tokens were dropped: the penalty window from `tokens`, and another `seed`.
  void resume(std::span<const Token> tokens, uint64_t seed);
  /// Makes the sampler pass this sequence over. Returns whether it did not already.
  bool end();
  /// Takes the `index`-th token drawn since begin(), once; its step must be done. Errors: DeviceLost where
  /// the device wrote none.
  Token drawn(uint32_t index);

  /// Those that the sequence refers to, from its first token on.
  std::span<const KvPages::Page> pages() const { return held_; }
  uint64_t page_table() const { return table_.address(); }
  uint64_t addresses() const { return addresses_.address(); }

 private:
  /// Writes the addresses of the pages from `first` on into the table.
  void write_table(size_t first);
  void fill_penalty_window(std::span<const Token> tokens, uint32_t window);

  vulkan::Device& device_;
  KvPages& pages_;
  std::vector<KvPages::Page> held_;
  uint32_t vocabulary_;
  vulkan::Allocation table_;      ///< addresses of pages
  vulkan::Allocation sequence_;   ///< kernels::Sequence
  vulkan::Allocation counts_;     ///< (vocabulary) u32
  vulkan::Allocation history_;    ///< (context) u32
  vulkan::Allocation results_;    ///< (kResultRing) u32
  vulkan::Allocation addresses_;  ///< kernels::SlotAddresses
  vulkan::Allocation mask_;       ///< taken when first set
};

}  // namespace caldera::engine

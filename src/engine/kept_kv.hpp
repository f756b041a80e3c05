// Copies of a sequence's keys and values in host memory, which outlive a lost device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/context_shift.hpp"

namespace caldera::engine {

/// A copy of one page of KV memory.
struct HostPage {
  std::unique_ptr<std::byte[]> bytes;
  uint64_t size = 0;
  bool complete = false;  ///< else it is still on its way from the device

  std::span<std::byte> span() const { return {bytes.get(), size}; }
};

/// Errors: kMemory where `bytes`, for so many tokens, are more than `room`. With `unified`, what is copied is
/// still to come from there too.
void demand_host_memory(uint64_t bytes, uint64_t tokens, uint64_t room, bool unified);

/// A page's worth of host memory; null where the host has not so much to spare.
std::shared_ptr<HostPage> take_host_page(uint64_t bytes);

/// Copies of a sequence's first pages, all full but maybe the last. A copy is made once: when tokens before
/// it are dropped, it is remembered how its keys have to be turned.
class KeptKv {
 public:
  struct Page {
    std::shared_ptr<HostPage> copy;
    uint32_t tokens = 0;          ///< that it holds
    std::vector<uint32_t> turns;  ///< positions that its keys have moved back by, one time after the other
  };

  std::span<const Page> pages() const { return pages_; }
  uint32_t full_pages() const;
  /// Whose keys and values are kept or on their way.
  uint32_t tokens() const;
  /// The page after those that are full.
  void add(Page page);
  /// Keeps no token from `length` on, nor any before it in the same page.
  void truncate(uint32_t length);
  /// Follows a sequence that drops tokens.
  void drop(const ContextShift& shift);
  /// The device is gone: what was on its way never comes.
  void forget_incomplete();

 private:
  std::vector<Page> pages_;
};

}  // namespace caldera::engine

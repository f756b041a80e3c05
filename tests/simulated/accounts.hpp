// What programs hold of the simulated device's heaps, and what the device refuses.
#pragma once

#include <vulkan/vulkan_core.h>

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "simulated/loss.hpp"
#include "simulated/shown_device.hpp"

namespace caldera::simulated {

/// One allocation.
struct Piece {
  uint32_t heap = 0;
  uint64_t bytes = 0;
  uint32_t type = 0;
  bool imported = false;  ///< host memory: a piece of no heap, but an allocation like any other
};

/// A fault that strikes the n-th event from the moment it is set, and so many after it.
class Fault {
 public:
  /// `first` 1: the next event; 0: none.
  void set(uint64_t first, uint64_t count) {
    wait_ = first;
    left_ = first == 0 ? 0 : count;
  }
  /// Called once an event: whether it fails.
  bool strikes() {
    if (wait_ > 0 && --wait_ > 0) return false;
    if (left_ == 0) return false;
    --left_;
    return true;
  }

 private:
  uint64_t wait_ = 0;
  uint64_t left_ = 0;
};

/// Thread-safe.
class Accounts {
 public:
  /// An untouched device.
  void open(const ShownDevice& shown);
  /// Budgets, faults and the count of allocations as after open(); what is live stays so.
  void reset();

  /// Whether the device grants an allocation, which counts from now on.
  VkResult take(const Piece& piece);
  /// Undoes a take() that the driver below refused.
  void take_back(const Piece& piece);
  void remember(VkDeviceMemory memory, const Piece& piece);
  /// Nothing for memory from before open().
  std::optional<Piece> find(VkDeviceMemory memory) const;
  /// Gives back what is remembered.
  void forget(VkDeviceMemory memory);

  /// Called each time that the point is passed: whether the device is lost by it.
  bool loses_device(LossPoint point);

  void set_budget(uint32_t heap, uint64_t bytes);
  void enforce_budget(bool enforced);
  void refuse_imports(bool refused);
  void refuse_allocations(uint64_t first, uint64_t count);
  void lose_device(const Loss& loss);

  uint64_t budget(uint32_t heap) const;
  uint64_t used(uint32_t heap) const;
  uint64_t imported() const;
  uint64_t live_allocations() const;
  uint64_t total_allocations() const;
  uint64_t largest_asked() const;

 private:
  void set_as_shown();
  void set_loss(const Loss& loss);

  mutable std::mutex mutex_;
  ShownDevice shown_;
  std::vector<uint64_t> budgets_;
  std::vector<uint64_t> used_;
  uint64_t imported_ = 0;
  uint64_t live_ = 0;
  uint64_t total_ = 0;
  uint64_t largest_ = 0;
  bool enforce_budget_ = false;
  bool refuse_imports_ = false;
  Fault allocation_fault_;
  std::array<Fault, kLossPoints> losses_;
  std::map<VkDeviceMemory, Piece> pieces_;
};

}  // namespace caldera::simulated

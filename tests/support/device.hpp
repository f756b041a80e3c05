// One Vulkan device for a whole test program, opened at the first use with Khronos validation and
// synchronization checks on. When the program ends the device is closed, and any validation message is a
// failure. Where the layer is not installed, CALDERA_TEST_VALIDATION=off in the environment runs the tests
// without it.
#pragma once

#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "vulkan/device.hpp"
#include "vulkan/pipeline_store.hpp"
#include "vulkan/recording.hpp"

namespace caldera::test {

vulkan::Instance& instance();
vulkan::Device& device();
vulkan::PipelineStore& pipelines();

/// Submits a finished recording and waits for it.
void run(const vulkan::Recording& recording);

/// An array of `count` T on the shared device; what it holds at first is not defined.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(size_t count, vulkan::Residency residency = vulkan::Residency::kDevice)
      : count_(count),
        memory_(device().memory().allocate(count * sizeof(T), residency, vulkan::Purpose::kActivations,
                                           "a test")) {}
  explicit DeviceArray(const std::vector<T>& values, vulkan::Residency residency = vulkan::Residency::kDevice)
      : DeviceArray(values.size(), residency) {
    set(values);
  }
  void set(const std::vector<T>& values) { device().upload(memory_, 0, std::as_bytes(std::span(values))); }
  std::vector<T> get() const {
    static_assert(std::is_trivially_copyable_v<T>);
    std::vector<T> values(count_);
    device().download(memory_, 0, std::as_writable_bytes(std::span(values)));
    return values;
  }
  uint64_t address() const { return memory_.address(); }
  vulkan::Range range() const { return {memory_.address(), memory_.bytes()}; }
  const vulkan::Allocation& memory() const { return memory_; }

 private:
  size_t count_;
  vulkan::Allocation memory_;
};

}  // namespace caldera::test

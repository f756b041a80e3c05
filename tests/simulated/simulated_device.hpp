// A simulated Vulkan device for tests: while a SimulatedDevice lives, every Vulkan instance that is created
// in this process, or in a child, shows one device with the memory of a row of topologies.json, and refuses
// what that device would refuse. Beneath it the software device computes. One lives at a time, and it
// outlives the instances made under it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plan/topology.hpp"
#include "simulated/control.hpp"

namespace caldera::test {

struct SimulatedOptions {
  std::string scale = "total:256MiB";   ///< a divisor, or what the heaps add up to
  bool as_cpu = false;                  ///< a CPU device, whatever the row says
  bool enforce_budget = false;          ///< refuse what exceeds a budget
  bool refuse_imports = false;          ///< of host memory
  std::optional<uint32_t> allocations;  ///< most live ones; 4096 unless said
  std::string loss;  ///< "submission:40": when it is lost; for children, which nobody tells
  /// The instances will be made with validation, which has to see the simulated device, not the driver.
  bool validation = false;
};

/// All counts are of the whole process.
class SimulatedDevice {
 public:
  /// `row`: a name or a file, as plan::find_topology takes it. Errors: those of find_topology; kInternal if
  /// the layer was not built.
  explicit SimulatedDevice(const std::string& row, const SimulatedOptions& options = {});
  ~SimulatedDevice();
  SimulatedDevice(const SimulatedDevice&) = delete;
  SimulatedDevice& operator=(const SimulatedDevice&) = delete;

  /// As the device shows it: the row, scaled.
  const plan::Topology& topology() const { return topology_; }

  /// What VK_EXT_memory_budget says of a heap from now on. Exceeding it is refused only if it is enforced.
  void set_budget(uint32_t heap, uint64_t bytes) { control_->set_budget(heap, bytes); }
  void enforce_budget(bool enforced) { control_->enforce_budget(enforced); }
  void refuse_imports(bool refused) { control_->refuse_imports(refused); }
  /// Refuses the `first` allocation from now (1: the next) and all but the first `count - 1` after it are
  /// granted again.
  void refuse_allocation(uint64_t first, uint64_t count = 1) { control_->refuse_allocations(first, count); }
  /// See Loss: the device ends with VK_ERROR_DEVICE_LOST there, and so does all that its VkDevice is asked
  /// for afterwards.
  void lose_device(simulated::LossPoint point, uint64_t first, uint64_t count = 1) {
    control_->lose_device({point, first, count});
  }
  /// Takes back all of the above; what is allocated stays.
  void reset() { control_->reset(); }

  uint64_t used(uint32_t heap) const { return control_->used(heap); }  ///< bytes allocated now
  uint64_t imported() const { return control_->imported(); }           ///< bytes of host memory, of no heap
  uint64_t live_allocations() const { return control_->live_allocations(); }
  uint64_t total_allocations() const { return control_->total_allocations(); }  ///< granted since reset()
  /// Bytes of the largest allocation that was asked for since reset(), granted or not.
  uint64_t largest_asked() const { return control_->largest_asked(); }

 private:
  void set(const char* name, const std::string& value);
  void restore();

  std::vector<std::pair<std::string, std::optional<std::string>>> before_;  ///< of the environment
  void* library_ = nullptr;
  const simulated::Control* control_ = nullptr;
  plan::Topology topology_;
};

}  // namespace caldera::test

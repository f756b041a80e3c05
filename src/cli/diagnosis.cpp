#include "cli/diagnosis.hpp"

#include "cli/gpu_access_advice.hpp"
#include "cli/memory_advice.hpp"

namespace caldera::cli {

Diagnosis diagnose(const machine::Machine& machine, const std::vector<DeviceInfo>& devices,
                   const std::string& vulkan_error) {
  Diagnosis diagnosis;
  diagnosis.device = device_for_models(devices);
  diagnosis.capacity = capacity_of(machine, diagnosis.device);
  advise_on_gpu_access(machine, devices, vulkan_error, diagnosis);
  advise_on_memory(machine, diagnosis);
  return diagnosis;
}

}  // namespace caldera::cli

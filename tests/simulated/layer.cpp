// The entry points that the Vulkan loader and the test's own process call.
#include <cstdio>
#include <cstring>
#include <string>

#include "caldera/error.hpp"
#include "simulated/control.hpp"
#include "simulated/dispatch.hpp"

namespace caldera::simulated {

State& state() {
  static State state;
  return state;
}

void open_state() {
  State& now = state();
  now.shown = shown_device();
  now.accounts.open(now.shown);
  now.open = true;
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_instance_proc_addr(VkInstance instance, const char* name) {
  if (std::strcmp(name, "vkGetInstanceProcAddr") == 0) {
    return reinterpret_cast<PFN_vkVoidFunction>(&get_instance_proc_addr);
  }
  if (const PFN_vkVoidFunction own = instance_function(name); own != nullptr) return own;
  if (instance == VK_NULL_HANDLE) return nullptr;
  InstanceBelow& below = state().instances.at(instance);
  const PFN_vkVoidFunction next = below.get(below.instance, name);
  // What the driver does not offer, the layer does not either.
  if (next == nullptr) return nullptr;
  const PFN_vkVoidFunction own = device_function(name);
  return own != nullptr ? own : next;
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_device_proc_addr(VkDevice device, const char* name) {
  const PFN_vkVoidFunction next = state().devices.at(device).get(device, name);
  if (next == nullptr) return nullptr;
  const PFN_vkVoidFunction own = device_function(name);
  return own != nullptr ? own : next;
}

namespace {

const char* open_again() {
  static std::string error;
  try {
    open_state();
    return nullptr;
  } catch (const std::exception& refused) {
    error = refused.what();
    return error.c_str();
  }
}

constexpr Control kControl = {
    open_again,
    [] { state().accounts.reset(); },
    [](uint32_t heap, uint64_t bytes) { state().accounts.set_budget(heap, bytes); },
    [](bool enforced) { state().accounts.enforce_budget(enforced); },
    [](bool refused) { state().accounts.refuse_imports(refused); },
    [](uint64_t first, uint64_t count) { state().accounts.refuse_allocations(first, count); },
    [](const Loss& loss) { state().accounts.lose_device(loss); },
    [](uint32_t heap) { return state().accounts.used(heap); },
    [] { return state().accounts.imported(); },
    [] { return state().accounts.live_allocations(); },
    [] { return state().accounts.total_allocations(); },
    [] { return state().accounts.largest_asked(); },
};

}  // namespace
}  // namespace caldera::simulated

extern "C" {

VK_LAYER_EXPORT VKAPI_ATTR VkResult VKAPI_CALL
vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface* version) {
  if (version->loaderLayerInterfaceVersion < 2) return VK_ERROR_INITIALIZATION_FAILED;
  version->loaderLayerInterfaceVersion = 2;
  version->pfnGetInstanceProcAddr = caldera::simulated::get_instance_proc_addr;
  version->pfnGetDeviceProcAddr = caldera::simulated::get_device_proc_addr;
  version->pfnGetPhysicalDeviceProcAddr = nullptr;
  return VK_SUCCESS;
}

VK_LAYER_EXPORT const caldera::simulated::Control* caldera_simulated_device_control();
VK_LAYER_EXPORT const caldera::simulated::Control* caldera_simulated_device_control() {
  return &caldera::simulated::kControl;
}
}

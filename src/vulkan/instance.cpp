#include "vulkan/instance.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstring>

#include "vulkan/physical_device.hpp"
#include "vulkan/result.hpp"

namespace caldera::vulkan {
namespace {

constexpr const char* kValidationLayer = "VK_LAYER_KHRONOS_validation";

VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                               VkDebugUtilsMessageTypeFlagsEXT,
                               const VkDebugUtilsMessengerCallbackDataEXT* data, void* user) {
  if ((severity & (VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT |
                   VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT)) == 0) {
    return VK_FALSE;
  }
  auto* log = static_cast<ValidationLog*>(user);
  log->messages.emplace_back(data->pMessage);
  std::fprintf(stderr, "validation: %s\n", data->pMessage);
  return VK_FALSE;
}

bool has_layer(const char* name) {
  uint32_t count = 0;
  vkEnumerateInstanceLayerProperties(&count, nullptr);
  std::vector<VkLayerProperties> layers(count);
  vkEnumerateInstanceLayerProperties(&count, layers.data());
  return std::any_of(layers.begin(), layers.end(),
                     [&](const VkLayerProperties& layer) { return std::strcmp(layer.layerName, name) == 0; });
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

/// How much a device is worth as a default: memory that computes fast first, software last.
int rank(const PhysicalDevice& device) {
  switch (device.type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
      return 4;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
      return 3;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
      return 2;
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
      return 1;
    default:
      return 0;
  }
}

/// Marks the device that `choice` names; without a choice the first of the best kind that is usable.
void mark_chosen(std::vector<PhysicalDevice>& devices, const std::string& choice) {
  const bool is_index = !choice.empty() && std::all_of(choice.begin(), choice.end(),
                                                       [](unsigned char c) { return std::isdigit(c) != 0; });
  PhysicalDevice* best = nullptr;
  for (PhysicalDevice& device : devices) {
    if (!device.info.usable) continue;
    if (is_index && choice != std::to_string(device.info.index)) continue;
    if (!is_index && lower(device.info.name).find(lower(choice)) == std::string::npos) continue;
    if (best == nullptr || rank(device) > rank(*best)) best = &device;
  }
  for (PhysicalDevice& device : devices) {
    if (!device.info.usable) continue;
    if (&device == best) {
      device.info.chosen = true;
      device.info.reason = !choice.empty() ? fmt::format("asked for as '{}'", choice)
                           : devices.size() == 1
                               ? "the only device"
                               : fmt::format("first of the best kind present ({})", device.info.type);
    } else if (best != nullptr) {
      device.info.reason = choice.empty()
                               ? fmt::format("device {} comes first ({})", best->info.index, best->info.type)
                               : fmt::format("device {} was asked for", best->info.index);
    } else {
      device.info.reason = fmt::format("not what '{}' asks for", choice);
    }
  }
}

}  // namespace

Instance::Instance(bool validation) {
  uint32_t version = VK_API_VERSION_1_0;
  if (vkEnumerateInstanceVersion(&version) != VK_SUCCESS || version < VK_API_VERSION_1_3) {
    throw Error(
        ErrorKind::kDevice,
        fmt::format("the Vulkan loader is version {}.{}, and Caldera needs 1.3: install a newer libvulkan1",
                    VK_API_VERSION_MAJOR(version), VK_API_VERSION_MINOR(version)));
  }
  VkApplicationInfo application{VK_STRUCTURE_TYPE_APPLICATION_INFO};
  application.pApplicationName = "caldera";
  application.pEngineName = "caldera";
  application.apiVersion = VK_API_VERSION_1_3;

  VkInstanceCreateInfo create{VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO};
  create.pApplicationInfo = &application;

  const VkValidationFeatureEnableEXT enables[] = {
      VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT};
  VkValidationFeaturesEXT features{VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT};
  features.enabledValidationFeatureCount = 1;
  features.pEnabledValidationFeatures = enables;
  const char* layer = kValidationLayer;
  const char* extension = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
  if (validation) {
    if (!has_layer(kValidationLayer)) {
      throw Error(
          ErrorKind::kDevice,
          "the Khronos validation layer is not installed: install vulkan-validationlayers, or run without "
          "validation");
    }
    create.pNext = &features;
    create.enabledLayerCount = 1;
    create.ppEnabledLayerNames = &layer;
    create.enabledExtensionCount = 1;
    create.ppEnabledExtensionNames = &extension;
  }
  const VkResult result = vkCreateInstance(&create, nullptr, &instance_);
  if (result == VK_ERROR_INCOMPATIBLE_DRIVER) {
    throw Error(
        ErrorKind::kDevice,
        "no Vulkan driver is installed: install your GPU's driver, or mesa-vulkan-drivers for Mesa's drivers "
        "and its software device");
  }
  check(result, "creating the Vulkan instance");

  if (validation) {
    const auto make = reinterpret_cast<PFN_vkCreateDebugUtilsMessengerEXT>(
        vkGetInstanceProcAddr(instance_, "vkCreateDebugUtilsMessengerEXT"));
    VkDebugUtilsMessengerCreateInfoEXT info{VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT};
    info.messageSeverity =
        VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT;
    info.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT;
    info.pfnUserCallback = on_message;
    info.pUserData = log_.get();
    const VkResult made = make != nullptr ? make(instance_, &info, nullptr, &messenger_) : VK_SUCCESS;
    if (made != VK_SUCCESS) vkDestroyInstance(instance_, nullptr);
    check(made, "installing the validation log");
  }
}

Instance::~Instance() {
  if (messenger_ != VK_NULL_HANDLE) {
    const auto destroy = reinterpret_cast<PFN_vkDestroyDebugUtilsMessengerEXT>(
        vkGetInstanceProcAddr(instance_, "vkDestroyDebugUtilsMessengerEXT"));
    if (destroy != nullptr) destroy(instance_, messenger_, nullptr);
  }
  if (instance_ != VK_NULL_HANDLE) vkDestroyInstance(instance_, nullptr);
}

std::vector<PhysicalDevice> Instance::devices(const std::string& choice) const {
  uint32_t count = 0;
  const VkResult result = vkEnumeratePhysicalDevices(instance_, &count, nullptr);
  // Without any driver some loaders report an initialisation failure instead of zero devices.
  if (result == VK_ERROR_INITIALIZATION_FAILED) return {};
  check(result, "listing the Vulkan devices");
  std::vector<VkPhysicalDevice> handles(count);
  check(vkEnumeratePhysicalDevices(instance_, &count, handles.data()), "listing the Vulkan devices");
  std::vector<PhysicalDevice> devices;
  for (uint32_t i = 0; i < count; ++i) {
    devices.push_back(describe(instance_, handles[i]));
    devices.back().info.index = i;
  }
  mark_chosen(devices, choice);
  return devices;
}

PhysicalDevice Instance::choose(const std::string& choice) const {
  const std::vector<PhysicalDevice> all = devices(choice);
  for (const PhysicalDevice& device : all) {
    if (device.info.chosen) return device;
  }
  if (all.empty()) {
    throw Error(ErrorKind::kDevice,
                "no Vulkan device was found: install your GPU's driver, or mesa-vulkan-drivers for Mesa's "
                "drivers and "
                "its software device");
  }
  std::string what;
  for (const PhysicalDevice& device : all) {
    what += fmt::format("{}{}: {} ({})", what.empty() ? "" : "; ", device.info.index, device.info.name,
                        device.info.reason);
  }
  throw Error(ErrorKind::kDevice,
              fmt::format("no usable Vulkan device{}: {}; `caldera devices` lists what there is",
                          choice.empty() ? "" : fmt::format(" matches '{}'", choice), what));
}

}  // namespace caldera::vulkan

#include "vulkan/device.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "caldera/error.hpp"
#include "vulkan/device_lost.hpp"
#include "vulkan/result.hpp"

namespace caldera::vulkan {
namespace {

/// What is read back at a time.
constexpr uint64_t kLandingBytes = uint64_t{16} << 20;
/// Sooner read a word at a time than copied first.
constexpr uint64_t kShortRead = 4096;

VkDevice create_device(const PhysicalDevice& physical, bool compile_only) {
  VkPhysicalDeviceVulkan13Features has13{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES};
  VkPhysicalDeviceVulkan12Features has12{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES};
  VkPhysicalDeviceVulkan11Features has11{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES};
  VkPhysicalDeviceFeatures2 has{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
  has.pNext = &has11;
  has11.pNext = &has12;
  has12.pNext = &has13;
  vkGetPhysicalDeviceFeatures2(physical.handle, &has);

  // Only what the kernels use is switched on; what a device may lack is taken where it is there.
  VkPhysicalDeviceVulkan13Features v13{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES};
  v13.synchronization2 = VK_TRUE;
  v13.subgroupSizeControl = has13.subgroupSizeControl;
  v13.computeFullSubgroups = has13.computeFullSubgroups;
  v13.maintenance4 = has13.maintenance4;
  v13.shaderIntegerDotProduct = has13.shaderIntegerDotProduct;
  VkPhysicalDeviceVulkan12Features v12{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES};
  v12.pNext = &v13;
  v12.bufferDeviceAddress = VK_TRUE;
  v12.timelineSemaphore = VK_TRUE;
  v12.subgroupBroadcastDynamicId = VK_TRUE;
  v12.shaderFloat16 = has12.shaderFloat16;
  v12.shaderInt8 = has12.shaderInt8;
  v12.storageBuffer8BitAccess = has12.storageBuffer8BitAccess;
  v12.vulkanMemoryModel = has12.vulkanMemoryModel;
  v12.vulkanMemoryModelDeviceScope = has12.vulkanMemoryModelDeviceScope;
  VkPhysicalDeviceVulkan11Features v11{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES};
  v11.pNext = &v12;
  v11.storageBuffer16BitAccess = has11.storageBuffer16BitAccess;
  VkPhysicalDeviceFeatures2 features{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
  features.pNext = &v11;
  features.features.shaderInt64 = VK_TRUE;

  const float priority = 1.0F;
  VkDeviceQueueCreateInfo queue{VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO};
  queue.queueFamilyIndex = physical.queue_family;
  queue.queueCount = 1;
  queue.pQueuePriorities = &priority;
  std::vector<const char*> extensions;
  if (physical.has_extension(VK_EXT_MEMORY_BUDGET_EXTENSION_NAME)) {
    extensions.push_back(VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
  }
  if (physical.has_extension(VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME)) {
    extensions.push_back(VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME);
  }
  VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrices{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR};
  if (!physical.matrix_shapes.empty()) {
    extensions.push_back(VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME);
    matrices.cooperativeMatrix = VK_TRUE;
    v13.pNext = &matrices;
  }
  VkPhysicalDeviceShaderBfloat16FeaturesKHR bf16{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_BFLOAT16_FEATURES_KHR};
  if (physical.bf16_matrices) {
    extensions.push_back(VK_KHR_SHADER_BFLOAT16_EXTENSION_NAME);
    bf16.shaderBFloat16Type = VK_TRUE;
    bf16.shaderBFloat16CooperativeMatrix = VK_TRUE;
    bf16.pNext = v13.pNext;
    v13.pNext = &bf16;
  }
  VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR code{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR};
  if (compile_only) {
    if (!physical.has_extension(VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME)) {
      throw Error(ErrorKind::kDevice,
                  fmt::format("the driver of {} shows no compiled code: choose one with {}",
                              physical.info.name, VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME));
    }
    extensions.push_back(VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME);
    code.pipelineExecutableInfo = VK_TRUE;
    code.pNext = v13.pNext;
    v13.pNext = &code;
  }
  VkDeviceCreateInfo info{VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO};
  info.pNext = &features;
  info.queueCreateInfoCount = 1;
  info.pQueueCreateInfos = &queue;
  info.enabledExtensionCount = static_cast<uint32_t>(extensions.size());
  info.ppEnabledExtensionNames = extensions.data();
  VkDevice device = VK_NULL_HANDLE;
  check(vkCreateDevice(physical.handle, &info, nullptr, &device), "opening the device " + physical.info.name);
  return device;
}

std::chrono::nanoseconds patience_with(const PhysicalDevice& physical, const DeviceOptions& options) {
  if (options.patience.count() > 0) return options.patience;
  if (physical.type == VK_PHYSICAL_DEVICE_TYPE_CPU) return std::chrono::nanoseconds::max();
  return kPatience;
}

}  // namespace

Device::Device(const Instance& /*instance*/, PhysicalDevice physical, const DeviceOptions& options)
    : physical_(std::move(physical)),
      compile_only_(options.compile_only),
      patience_(patience_with(physical_, options)),
      device_(create_device(physical_, compile_only_)) {
  try {
    open(options);
  } catch (...) {
    close();
    throw;
  }
}

Device::~Device() {
  close();
}

void Device::open(const DeviceOptions& options) {
  vkGetDeviceQueue(device_, physical_.queue_family, 0, &queue_);
  VkCommandPoolCreateInfo pool{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
  pool.queueFamilyIndex = physical_.queue_family;
  check(vkCreateCommandPool(device_, &pool, nullptr, &commands_), "creating a command pool");
  if (compile_only_) return;  // without hardware nothing can be signalled, nor memory be had
  VkSemaphoreTypeCreateInfo type{VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO};
  type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE;
  VkSemaphoreCreateInfo semaphore{VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO};
  semaphore.pNext = &type;
  check(vkCreateSemaphore(device_, &semaphore, nullptr, &timeline_), "creating a timeline semaphore");
  memory_ =
      std::make_unique<MemoryPool>(physical_, device_, options.memory_limit, options.allow_host_visible);
}

void Device::close() {
  settle();
  staging_.reset();
  memory_.reset();
  vkDestroySemaphore(device_, timeline_, nullptr);
  vkDestroyCommandPool(device_, commands_, nullptr);
  vkDestroyDevice(device_, nullptr);
}

void Device::settle() const noexcept {
  if (!compile_only_ && !stuck_) vkDeviceWaitIdle(device_);
}

void Device::demand_alive() const {
  if (lost_) throw DeviceLost("the device was lost");
}

void Device::demand(VkResult result, std::string_view what) const {
  if (result == VK_ERROR_DEVICE_LOST && !lost_.exchange(true)) settle();
  check(result, what);
}

void Device::give_up(uint64_t value) {
  lost_ = true;
  stuck_ = true;
  throw DeviceLost(fmt::format(
      "the device has finished nothing for {:g} s, at submission {} of {}: its driver does not say why",
      std::chrono::duration<double>(patience_).count(), value, submitted_));
}

uint64_t Device::submit(std::span<const VkCommandBuffer> buffers) {
  demand_alive();
  std::vector<VkCommandBufferSubmitInfo> infos;
  infos.reserve(held_.size() + buffers.size());
  for (const auto& some : {std::span<const VkCommandBuffer>(held_), buffers}) {
    for (VkCommandBuffer buffer : some) {
      infos.push_back({VK_STRUCTURE_TYPE_COMMAND_BUFFER_SUBMIT_INFO, nullptr, buffer, 0});
    }
  }
  held_.clear();
  VkSemaphoreSubmitInfo signal{VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO};
  signal.semaphore = timeline_;
  signal.value = submitted_ + 1;
  signal.stageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT;
  VkSubmitInfo2 submit{VK_STRUCTURE_TYPE_SUBMIT_INFO_2};
  submit.commandBufferInfoCount = static_cast<uint32_t>(infos.size());
  submit.pCommandBufferInfos = infos.data();
  submit.signalSemaphoreInfoCount = 1;
  submit.pSignalSemaphoreInfos = &signal;
  demand(vkQueueSubmit2(queue_, 1, &submit, VK_NULL_HANDLE), "submitting work");
  return ++submitted_;
}

uint64_t Device::submit_with_next(VkCommandBuffer buffer) {
  demand_alive();
  held_.push_back(buffer);
  return submitted_ + 1;
}

void Device::wait(uint64_t value) {
  if (value > submitted_ && !held_.empty()) submit({});
  VkSemaphoreWaitInfo info{VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO};
  info.semaphoreCount = 1;
  info.pSemaphores = &timeline_;
  info.pValues = &value;
  demand_alive();
  const auto patience = static_cast<uint64_t>(patience_.count());
  uint64_t before = 0;
  for (;;) {
    const VkResult result = vkWaitSemaphores(device_, &info, patience);
    demand(result, "waiting for the device");
    if (result == VK_SUCCESS) return;
    uint64_t now = 0;
    demand(vkGetSemaphoreCounterValue(device_, timeline_, &now), "asking the device how far it is");
    if (now >= value) return;
    if (now == before) give_up(value);
    before = now;
  }
}

bool Device::reached(uint64_t value) const {
  uint64_t now = 0;
  demand_alive();
  demand(vkGetSemaphoreCounterValue(device_, timeline_, &now), "asking the device how far it is");
  return now >= value;
}

void Device::copy(VkBuffer from, uint64_t from_offset, VkBuffer to, uint64_t to_offset, uint64_t bytes) {
  VkCommandBufferAllocateInfo allocate{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
  allocate.commandPool = commands_;
  allocate.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
  allocate.commandBufferCount = 1;
  VkCommandBuffer buffer = VK_NULL_HANDLE;
  check(vkAllocateCommandBuffers(device_, &allocate, &buffer), "allocating a command buffer");
  VkCommandBufferBeginInfo begin{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  begin.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
  check(vkBeginCommandBuffer(buffer, &begin), "recording a copy");
  record_full_barrier(buffer);
  const VkBufferCopy region{from_offset, to_offset, bytes};
  vkCmdCopyBuffer(buffer, from, to, 1, &region);
  record_full_barrier(buffer);
  check(vkEndCommandBuffer(buffer), "recording a copy");
  wait(submit({&buffer, 1}));
  vkFreeCommandBuffers(device_, commands_, 1, &buffer);
}

void Device::upload(const Allocation& to, uint64_t offset, std::span<const std::byte> data) {
  if (data.empty()) return;
  if (to.host() != nullptr) {
    std::memcpy(to.host() + offset, data.data(), data.size());
    return;
  }
  if (staging_ == nullptr) staging_ = std::make_unique<Staging>(*this);
  staging_->write(to, offset, data);
}

void Device::end_uploads() {
  wait_all();
  staging_.reset();
}

void Device::download(const Allocation& from, uint64_t offset, std::span<std::byte> out) {
  if (out.empty()) return;
  wait_all();
  const VkMemoryPropertyFlags type = physical_.memory.memoryTypes[from.memory_type()].propertyFlags;
  // Where the host's caches do not help, it reads a word at a time, over the bus if that is between.
  const bool cached = (type & VK_MEMORY_PROPERTY_HOST_CACHED_BIT) != 0;
  if (from.host() != nullptr && (cached || out.size() <= kShortRead)) {
    std::memcpy(out.data(), from.host() + offset, out.size());
    return;
  }
  Allocation landing;
  try {
    landing = memory_->allocate(std::min<uint64_t>(kLandingBytes, out.size()), Residency::kHostRead,
                                Purpose::kStaging, "a buffer to read back into");
  } catch (const DeviceLost&) {
    throw;
  } catch (const Error&) {
    if (from.host() == nullptr) throw;
    std::memcpy(out.data(), from.host() + offset, out.size());  // slowly, then
    return;
  }
  for (uint64_t done = 0; done < out.size(); done += kLandingBytes) {
    const uint64_t bytes = std::min<uint64_t>(kLandingBytes, out.size() - done);
    copy(from.buffer(), from.buffer_offset() + offset + done, landing.buffer(), landing.buffer_offset(),
         bytes);
    std::memcpy(out.data() + done, landing.host(), bytes);
  }
}

}  // namespace caldera::vulkan

#include "support/device.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>

namespace caldera::test {
namespace {

bool wants_validation() {
  const char* wish = std::getenv("CALDERA_TEST_VALIDATION");
  return wish == nullptr || std::string(wish) != "off";
}

struct Shared {
  std::unique_ptr<vulkan::Instance> instance;
  std::unique_ptr<vulkan::Device> device;
  std::unique_ptr<vulkan::PipelineStore> pipelines;
} shared;

/// Closes the device while the validation layer can still speak, then demands that it never did.
class CloseDevice : public ::testing::Environment {
 public:
  void TearDown() override {
    shared.pipelines.reset();
    if (shared.device != nullptr) {
      for (size_t i = 0; i < vulkan::kPurposes; ++i) {
        if (static_cast<vulkan::Purpose>(i) == vulkan::Purpose::kStaging) continue;
        EXPECT_EQ(shared.device->memory().used(static_cast<vulkan::Purpose>(i)), 0U) << "purpose " << i;
      }
    }
    shared.device.reset();
    if (shared.instance == nullptr) return;
    for (const std::string& message : shared.instance->validation_log().messages) ADD_FAILURE() << message;
    shared.instance.reset();
  }
};

[[maybe_unused]] const ::testing::Environment* const kCloseDevice =
    ::testing::AddGlobalTestEnvironment(new CloseDevice);

}  // namespace

vulkan::Instance& instance() {
  if (shared.instance == nullptr) shared.instance = std::make_unique<vulkan::Instance>(wants_validation());
  return *shared.instance;
}

vulkan::Device& device() {
  if (shared.device == nullptr) {
    shared.device = std::make_unique<vulkan::Device>(instance(), instance().choose(""));
  }
  return *shared.device;
}

vulkan::PipelineStore& pipelines() {
  if (shared.pipelines == nullptr) shared.pipelines = std::make_unique<vulkan::PipelineStore>(device(), "");
  return *shared.pipelines;
}

void run(const vulkan::Recording& recording) {
  const VkCommandBuffer buffer = recording.handle();
  device().wait(device().submit({&buffer, 1}));
}

}  // namespace caldera::test

/// Read by AddressSanitizer where it is built in. Vulkan's loader and drivers leave memory behind when they
/// are unloaded, which cannot be told from leaks of ours any more.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() {
  return "detect_leaks=0";
}

// A small model on a device that can be lost.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "caldera/caldera.hpp"
#include "engine/models.hpp"
#include "gguf/temporary_folder.hpp"
#include "memory/synthetic_file.hpp"
#include "memory/varied.hpp"
#include "simulated/simulated_device.hpp"

namespace caldera::test {

using simulated::LossPoint;

/// What the tests of this program share: a file, and a device of one memory.
class LostDevice : public ::testing::Test {
 protected:
  static constexpr SyntheticFile kModel{
      .layers = 2, .width = 128, .heads = 2, .kv_heads = 1, .head = 64, .ffn = 256, .context = 320};

  static void SetUpTestSuite() { start(true); }
  static void start(bool validation) {
    folder_ = std::make_unique<gguf::TemporaryFolder>();
    file_ = write_synthetic(kModel, folder_->path() / "small.gguf");
    SimulatedOptions options;
    options.scale = "total:256MiB";
    options.as_cpu = true;
    options.validation = validation;
    simulated_ = std::make_unique<SimulatedDevice>("strix-halo-128-linux", options);
  }
  static void TearDownTestSuite() {
    EXPECT_EQ(simulated_->live_allocations(), 0U);
    simulated_.reset();
    folder_.reset();
  }
  void TearDown() override { simulated_->reset(); }

  /// Every event goes to `events`.
  LoadOptions options() {
    LoadOptions options{.context = 256, .sequences = 3, .prefill_rows = 32};
    options.on_device_lost = [this](const DeviceLoss& loss) {
      if (loss.stage != DeviceLoss::Stage::kReloading) events.push_back(loss);
      return true;
    };
    return options;
  }
  std::shared_ptr<Model> loaded() { return load(file_, options()); }
  uint32_t count(DeviceLoss::Stage stage) const {
    return static_cast<uint32_t>(std::ranges::count(events, stage, &DeviceLoss::stage));
  }
  uint32_t losses() const { return count(DeviceLoss::Stage::kLost); }

  static std::vector<Token> prompt(uint32_t length, Token first = 10) {
    std::vector<Token> tokens(length);
    for (uint32_t i = 0; i < length; ++i) tokens[i] = (first + static_cast<Token>(i * i)) % 256;
    return tokens;
  }

  static inline std::unique_ptr<gguf::TemporaryFolder> folder_;
  static inline std::filesystem::path file_;
  static inline std::unique_ptr<SimulatedDevice> simulated_;
  std::vector<DeviceLoss> events;
};

/// Without validation, which keeps books of its own, and takes what never ended to be in use.
class LostUnvalidated : public LostDevice {
 protected:
  static void SetUpTestSuite() { start(false); }
};

}  // namespace caldera::test

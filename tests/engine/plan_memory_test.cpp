// What the planner predicts is what loading allocates.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "caldera/caldera.hpp"
#include "engine/models.hpp"
#include "gguf/file.hpp"
#include "model/plan_shape.hpp"
#include "plan/footprint.hpp"

namespace caldera::test {
namespace {

/// Within 1 %.
void expect_close(uint64_t planned, uint64_t allocated, const char* what) {
  EXPECT_NEAR(static_cast<double>(planned), static_cast<double>(allocated),
              0.01 * static_cast<double>(allocated))
      << what;
}

void expect_as_planned(const std::filesystem::path& path, uint32_t context, uint32_t sequences,
                       KvFormats kv = {}) {
  SCOPED_TRACE(path.filename().string());
  const auto model =
      Model::load(path, {.context = context, .sequences = sequences, .kv = kv, .way = LoadWay::kCopy});
  const plan::DeviceType type =
      model->device().type == "cpu" ? plan::DeviceType::kCpu : plan::DeviceType::kIntegrated;
  const plan::Footprint planned =
      plan::footprint(model::plan_shape(gguf::File::open(path)),
                      {.context = context, .sequences = sequences, .kv = kv}, type);
  const MemoryUse use = model->memory();
  expect_close(planned.weights.total(), use.weights, "weights");
  expect_close(planned.kv, use.kv_limit, "KV memory");
  expect_close(planned.activations, use.activations, "activations");
}

TEST(PlanMemory, IsWhatModelsOfEveryArchitectureTake) {
  for (const auto& entry : std::filesystem::directory_iterator(data(""))) {
    if (entry.path().extension() == ".gguf") expect_as_planned(entry.path(), 128, 2);
  }
}

TEST(PlanMemory, IsWhatSmolLM2Takes) {
  expect_as_planned(smollm2(), 2048, 1);
  expect_as_planned(smollm2(), 777, 3, {KvFormat::kQ8_0, KvFormat::kQ4_0});
}

}  // namespace
}  // namespace caldera::test

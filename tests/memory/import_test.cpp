// Importing the mapped file says the same as copying it; a device that refuses is asked for copies.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "caldera/caldera.hpp"
#include "cli/process.hpp"
#include "engine/models.hpp"
#include "gguf/temporary_folder.hpp"
#include "memory/synthetic_file.hpp"
#include "memory/varied.hpp"
#include "simulated/simulated_device.hpp"

namespace caldera::test {
namespace {

using ::testing::HasSubstr;

std::vector<Token> first_tokens(const std::filesystem::path& path, LoadWay way, uint32_t count) {
  const auto model = Model::load(path, {.context = 128, .way = way});
  EXPECT_EQ(model->load_report().way, way);
  const MemoryUse use = model->memory();
  if (way == LoadWay::kImport) {
    EXPECT_GT(use.imported, 0U);
    EXPECT_EQ(model->load_report().reader, "mapped");
  } else {
    EXPECT_EQ(use.imported, 0U);
  }
  Session session(model);
  session.append(model->tokenize("Once upon a time there was a house by the sea"));
  return session.generate(varied(count)).tokens;
}

void expect_same(const std::filesystem::path& path, uint32_t count) {
  SCOPED_TRACE(path.filename().string());
  const std::vector<Token> imported = first_tokens(path, LoadWay::kImport, count);
  EXPECT_EQ(imported.size(), count);
  EXPECT_EQ(imported, first_tokens(path, LoadWay::kCopy, count));
}

TEST(Import, SaysTheSameForEveryArchitecture) {
  for (const auto& entry : std::filesystem::directory_iterator(data(""))) {
    if (entry.path().extension() == ".gguf") expect_same(entry.path(), 12);
  }
}

TEST(Import, SaysTheSameForSmolLM2) {
  expect_same(smollm2(), 24);
}

TEST(Import, SaysTheSameForASplitSet) {
  SyntheticFile model;
  model.tied = true;
  for (const uint32_t splits : {2U, 5U}) {
    const gguf::TemporaryFolder folder;
    expect_same(write_synthetic(model, folder.path() / "split.gguf", splits), 12);
  }
}

TEST(Import, SaysTheSameWhereAllocationsAreSmall) {
  SimulatedOptions options;
  options.scale = "total:512MiB";  // 32 MiB at a time
  options.as_cpu = true;
  const SimulatedDevice simulated("strix-halo-128-linux", options);
  expect_same(many_layers_file(), 6);
  EXPECT_GE(simulated.total_allocations(), 12U);
  EXPECT_EQ(simulated.live_allocations(), 0U);
  EXPECT_EQ(simulated.imported(), 0U);
}

TEST(Import, CountsAgainstTheMemoryLimit) {
  try {
    Model::load(many_layers_file(),
                {.context = 64, .memory_limit = uint64_t{64} << 20, .way = LoadWay::kImport});
    ADD_FAILURE() << "it is three times the limit";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("memory limit of 64.0 MiB"));
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
  }
}

class ImportRefused : public ::testing::Test {
 protected:
  static SimulatedOptions refusing() {
    SimulatedOptions options;
    options.as_cpu = true;
    options.refuse_imports = true;
    return options;
  }
};

TEST_F(ImportRefused, IsAnErrorThatNamesTheOtherWay) {
  SimulatedDevice simulated("strix-halo-128-linux", refusing());
  try {
    Model::load(data("tiny_llama3.gguf"), {.way = LoadWay::kImport});
    ADD_FAILURE() << "the device refuses";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kDevice);
    EXPECT_THAT(error.what(), HasSubstr("--load copy"));
    EXPECT_THAT(error.what(), HasSubstr("strix-halo-128-linux"));
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
  }
  EXPECT_EQ(simulated.live_allocations(), 0U);
  simulated.refuse_imports(false);
  EXPECT_EQ(Model::load(data("tiny_llama3.gguf"), {.way = LoadWay::kImport})->load_report().way,
            LoadWay::kImport);
}

TEST_F(ImportRefused, HalfWayLeavesNothing) {
  SimulatedOptions options = refusing();
  options.refuse_imports = false;
  options.scale = "total:512MiB";
  SimulatedDevice simulated("strix-halo-128-linux", options);
  for (uint64_t nth = 1; nth <= 4; ++nth) {
    simulated.refuse_allocation(nth, UINT64_MAX);
    EXPECT_THROW(Model::load(many_layers_file(), {.context = 64, .way = LoadWay::kImport}), Error);
    EXPECT_EQ(simulated.live_allocations(), 0U) << nth;
    EXPECT_EQ(simulated.imported(), 0U) << nth;
    simulated.reset();
  }
}

TEST_F(ImportRefused, AutoNeverFailsBecauseOfIt) {
  const SimulatedDevice simulated("strix-halo-128-linux", refusing());
  const auto model = Model::load(data("tiny_llama3.gguf"), {.way = LoadWay::kAuto});
  EXPECT_EQ(model->load_report().way, LoadWay::kCopy);
  EXPECT_NE(model->load_report().reason, "");
}

TEST_F(ImportRefused, TheProgramSaysSoInOneLine) {
  const SimulatedDevice simulated("strix-halo-128-linux", refusing());
  const std::vector<std::string> words = {
      "run", data("tiny_llama3.gguf").string(), "--raw", "hello", "-n", "2", "-q"};
  const auto with = [&](const std::string& way) {
    std::vector<std::string> all = words;
    all.insert(all.end(), {"--load", way});
    return run(CALDERA_PROGRAM, all);
  };
  const Result refused = with("import");
  EXPECT_EQ(refused.code, 6) << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("--load copy"));
  EXPECT_EQ(count_lines(refused.err), 1U) << refused.err;
  EXPECT_EQ(refused.out, "");
  for (const char* way : {"auto", "copy"}) {
    const Result result = with(way);
    EXPECT_EQ(result.code, 0) << way << ": " << result.err;
    EXPECT_NE(result.out, "");
  }
}

}  // namespace
}  // namespace caldera::test

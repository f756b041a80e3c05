// Loading that is cancelled, a file that changes underneath, and the ways that weights take.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "caldera/caldera.hpp"
#include "gguf/temporary_folder.hpp"
#include "memory/process_memory.hpp"
#include "memory/synthetic_file.hpp"
#include "memory/varied.hpp"
#include "simulated/simulated_device.hpp"

namespace caldera::test {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

constexpr uint64_t kMiB = uint64_t{1} << 20;

const char* name(LoadWay way) {
  return way == LoadWay::kImport ? "import" : "copy";
}

std::string first_text(const std::shared_ptr<Model>& model) {
  Session session(model);
  session.append(std::vector<Token>{72, 101, 108});
  return session.generate(varied(6)).text;
}

class Loading : public ::testing::Test {
 protected:
  static SimulatedOptions roomy() {
    SimulatedOptions options;
    options.scale = "total:512MiB";
    options.as_cpu = true;
    return options;
  }

  /// A copy of the model that a test may spoil.
  std::filesystem::path copy_of_file() const {
    const std::filesystem::path path = folder_.path() / "model.gguf";
    std::filesystem::copy_file(many_layers_file(), path, std::filesystem::copy_options::overwrite_existing);
    return path;
  }

  /// Loads `path`, doing `act` when `share` of it is there, and returns the error.
  static std::string fails(const std::filesystem::path& path, LoadWay way, double share, ErrorKind kind,
                           const std::function<bool()>& act) {
    LoadOptions options{.context = 64, .way = way, .ring_bytes = 16 * kMiB};
    bool done = false;
    options.progress = [&](const LoadProgress& progress) {
      if (done ||
          static_cast<double>(progress.bytes_done) < share * static_cast<double>(progress.bytes_total))
        return true;
      done = true;
      return act();
    };
    try {
      Model::load(path, options);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind) << error.what();
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
      return error.what();
    }
    ADD_FAILURE() << "it loaded";
    return {};
  }

  gguf::TemporaryFolder folder_;
};

TEST_F(Loading, ThatIsCancelledLeavesNothing) {
  const SimulatedDevice simulated("strix-halo-128-linux", roomy());
  for (const LoadWay way : {LoadWay::kCopy, LoadWay::kImport}) {
    SCOPED_TRACE(name(way));
    Model::load(many_layers_file(), {.context = 64, .way = way}).reset();
    const uint64_t before = process_memory().own();
    const size_t descriptors = open_descriptors();
    const size_t threads = running_threads();
    for (const double share : {0.0, 0.1, 0.5, 0.9, 1.0}) {
      SCOPED_TRACE(share);
      const std::string said = fails(many_layers_file(), way, share, ErrorKind::kUsage, [] { return false; });
      EXPECT_EQ(said, "loading was cancelled");
      EXPECT_EQ(simulated.live_allocations(), 0U);
      EXPECT_EQ(simulated.imported(), 0U);
      EXPECT_EQ(open_descriptors(), descriptors);
      EXPECT_EQ(running_threads(), threads);
    }
    EXPECT_LT(process_memory().own(), before + 32 * kMiB) << "a fifth of one model at most";
  }
}

TEST_F(Loading, OfAFileThatIsCutShortNamesTensorAndPlace) {
  const SimulatedDevice simulated("strix-halo-128-linux", roomy());
  for (const LoadWay way : {LoadWay::kCopy, LoadWay::kImport}) {
    SCOPED_TRACE(name(way));
    for (const double share : {0.0, 0.4, 0.9}) {
      SCOPED_TRACE(share);
      const std::filesystem::path path = copy_of_file();
      const std::string said = fails(path, way, share, ErrorKind::kFile, [&] {
        std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
        return true;
      });
      EXPECT_THAT(said, HasSubstr("model.gguf"));
      EXPECT_THAT(said, HasSubstr("do not change a model in use"));
      EXPECT_THAT(said, MatchesRegex(".*byte [0-9]+.*"));
      EXPECT_THAT(said, HasSubstr("tensor '"));
      EXPECT_EQ(simulated.live_allocations(), 0U);
    }
  }
}

TEST_F(Loading, OfAFileThatIsRewrittenNamesTensorAndPlace) {
  const SimulatedDevice simulated("strix-halo-128-linux", roomy());
  for (const LoadWay way : {LoadWay::kCopy, LoadWay::kImport}) {
    SCOPED_TRACE(name(way));
    for (const double share : {0.0, 0.5, 1.0}) {
      SCOPED_TRACE(share);
      const std::filesystem::path path = copy_of_file();
      const std::string said = fails(path, way, share, ErrorKind::kFile, [&] {
        const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
        const char bytes[] = "others write here too";
        EXPECT_EQ(::pwrite(file, bytes, sizeof bytes, static_cast<off_t>(100 * kMiB)),
                  static_cast<ssize_t>(sizeof bytes));
        ::close(file);
        return true;
      });
      EXPECT_THAT(said, MatchesRegex(".*model.gguf changed while tensor '[a-z0-9_.]+' was read at byte "
                                     "[0-9]+; do not change a model in use"));
      EXPECT_EQ(simulated.live_allocations(), 0U);
    }
  }
}

TEST_F(Loading, ThroughASmallRingSaysTheSame) {
  const SimulatedDevice simulated("strix-halo-128-linux", roomy());
  const std::string expected = first_text(Model::load(many_layers_file(), {.context = 64}));
  for (const uint64_t ring : {uint64_t{1}, 16 * kMiB, uint64_t{1} << 30}) {
    SCOPED_TRACE(ring);
    const auto model = Model::load(many_layers_file(), {.context = 64, .ring_bytes = ring});
    EXPECT_EQ(model->memory().staging, 0U);
    EXPECT_EQ(first_text(model), expected);
  }
}

TEST_F(Loading, IntoMemoryThatTheHostCannotSeeSaysTheSame) {
  const std::string expected =
      first_text(Model::load(many_layers_file(), {.context = 64, .prefill_rows = 4}));
  SimulatedOptions options;
  options.scale = "total:512MiB";
  const SimulatedDevice simulated("gtx-1070-ti-windows", options);
  const auto model = Model::load(many_layers_file(), {.context = 64, .prefill_rows = 4});
  size_t unseen = 0;
  for (const vulkan::Allocation& memory : model->engine().weights().memory)
    unseen += memory.host() == nullptr ? 1 : 0;
  EXPECT_GT(unseen, 100U) << "most of the weights went through staging buffers";
  EXPECT_EQ(first_text(model), expected);
}

/// An embedding table is read one row a token, so it is the first to go where reading is slow.
TEST_F(Loading, PutsTheEmbeddingTableOfAnUntiedModelFarFirst) {
  SimulatedOptions options;
  options.scale = "total:768MiB";
  const SimulatedDevice simulated("h100-sxm-80gb", options);
  const LoadOptions load{.context = 64, .prefill_rows = 4};
  auto model = Model::load(many_layers_file(), load);
  const MemoryUse near = model->memory();
  ASSERT_EQ(near.far_weights, 0U);
  const std::string expected = first_text(model);
  const kernels::Matrix& table = model->engine().weights().embedding;
  const uint64_t table_bytes = uint64_t{table.rows} * table.layout.row_bytes;
  const uint64_t need = near.weights + near.activations + near.kv_limit;
  // Models of one process share the device's memory: one at a time.
  model.reset();
  LoadOptions limited = load;
  limited.memory_limit = need - table_bytes / 2;
  model = Model::load(many_layers_file(), limited);
  EXPECT_EQ(model->memory().far_weights, table_bytes);
  EXPECT_EQ(first_text(model), expected);
  // A tighter limit sends the last matrices after it.
  model.reset();
  limited.memory_limit = need / 2;
  model = Model::load(many_layers_file(), limited);
  EXPECT_NEAR(static_cast<double>(model->memory().far_weights), static_cast<double>(need) / 2,
              0.03 * static_cast<double>(need));
  EXPECT_EQ(first_text(model), expected);
}

}  // namespace
}  // namespace caldera::test

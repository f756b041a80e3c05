// Pulling from a hub that behaves, and from hubs that do not.
#include "hub/pull.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "caldera/error.hpp"
#include "gguf/file.hpp"
#include "gguf/temporary_folder.hpp"
#include "gguf/writer.hpp"
#include "hub/hub_server.hpp"

namespace caldera::hub {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
namespace fs = std::filesystem;

/// A model of about 400 kB.
fs::path write_model(const fs::path& path, uint32_t splits = 1) {
  fs::create_directories(path.parent_path());
  gguf::Writer writer;
  writer.set("general.architecture", "llama");
  uint32_t random = 7;
  for (const char* name : {"a", "b", "c"}) {
    std::vector<std::byte> data(131072);
    for (std::byte& byte : data)
      byte = static_cast<std::byte>((random = random * 1664525 + 1013904223) >> 24);
    writer.add(name, quant::Format::kF32, {32768}, std::move(data));
  }
  return writer.write(path, splits);
}

std::string read_file(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

class PullTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    root_ = new gguf::TemporaryFolder();
    server_ = new HubServer(root_->path());
  }
  static void TearDownTestSuite() {
    delete server_;
    delete root_;
  }

  /// The content of OWNER/REPO/m-Q4_0.gguf on the hub.
  std::string on_hub(const std::string& repo) const {
    return read_file(write_model(root_->path() / repo / "m-Q4_0.gguf"));
  }
  Pulled get(const std::string& name) {
    HubOptions options;
    options.url = server_->url();
    options.token = token_;
    options.first_wait = std::chrono::milliseconds(1);
    options.tries = 6;
    Hub hub(options);
    return pull(parse_model_name(name).value(), models_, hub, [this](const PullProgress& progress) {
      seen_.push_back(progress);
      return !cancel_ || progress.bytes_done < *cancel_ || progress.stage != PullProgress::Stage::kFetching;
    });
  }
  std::string error(const std::string& name) {
    try {
      get(name);
    } catch (const Error& failure) {
      return failure.what();
    }
    return "no error";
  }
  /// Everything in the folder of models, hidden files too.
  std::vector<std::string> files() const {
    std::vector<std::string> paths;
    for (const auto& entry : fs::recursive_directory_iterator(folder_.path())) {
      if (entry.is_regular_file()) paths.push_back(entry.path().lexically_relative(folder_.path()).string());
    }
    std::sort(paths.begin(), paths.end());
    return paths;
  }
  std::string content(const std::string& repo) const {
    return read_file(folder_.path() / repo / "m-Q4_0.gguf");
  }
  /// What the hub was asked of this repository.
  std::vector<nlohmann::json> asked(const std::string& repo) {
    std::string body;
    Transfer().get(
        {server_->url() + "/log", {}, {}},
        [&](const Reply&, std::span<const std::byte> piece) {
          body.append(reinterpret_cast<const char*>(piece.data()), piece.size());
        },
        [] { return true; });
    std::vector<nlohmann::json> list;
    for (const auto& each : nlohmann::json::parse(body)) {
      if (each["path"].get<std::string>().find(repo + "/") != std::string::npos) list.push_back(each);
    }
    return list;
  }

  static gguf::TemporaryFolder* root_;
  static HubServer* server_;
  gguf::TemporaryFolder folder_;
  ModelFolder models_{folder_.path()};
  std::string token_;
  std::optional<uint64_t> cancel_;
  std::vector<PullProgress> seen_;
};

gguf::TemporaryFolder* PullTest::root_ = nullptr;
HubServer* PullTest::server_ = nullptr;

TEST_F(PullTest, FetchesAFileOnce) {
  const std::string there = on_hub("plain/once");
  Pulled pulled = get("plain/once:q4_0");
  EXPECT_EQ(pulled.model.name, "plain/once:Q4_0");
  EXPECT_FALSE(pulled.was_there);
  EXPECT_EQ(pulled.fetched, there.size());
  EXPECT_EQ(content("plain/once"), there);
  EXPECT_THAT(files(), testing::ElementsAre("plain/once/.m-Q4_0.gguf.sha256", "plain/once/m-Q4_0.gguf"));
  EXPECT_EQ(seen_.back().bytes_total, there.size());
  pulled = get("plain/once");
  EXPECT_TRUE(pulled.was_there);
  EXPECT_EQ(pulled.fetched, 0U);
  EXPECT_EQ(asked("plain/once").size(), 3U);  // two lists, one file
  // Put there by other means: read once to know it.
  fs::remove(folder_.path() / "plain/once/.m-Q4_0.gguf.sha256");
  EXPECT_TRUE(get("plain/once").was_there);
  EXPECT_EQ(asked("plain/once").size(), 4U);
}

TEST_F(PullTest, FetchesAgainWhatTheHubHasChanged) {
  on_hub("plain/new");
  get("plain/new");
  const fs::path path = root_->path() / "plain/new/m-Q4_0.gguf";
  std::fstream(path, std::ios::binary | std::ios::in | std::ios::out).seekp(-1, std::ios::end).put('!');
  EXPECT_FALSE(get("plain/new").was_there);
  EXPECT_EQ(content("plain/new"), read_file(path));
}

TEST_F(PullTest, FetchesSplitsTogether) {
  const fs::path first = write_model(root_->path() / "plain/split/sub/m-Q8_0.gguf", 3);
  const Pulled pulled = get("plain/split");
  EXPECT_EQ(pulled.model.files.size(), 3U);
  EXPECT_EQ(pulled.model.name, "plain/split:Q8_0");
  EXPECT_EQ(read_file(pulled.model.path()), read_file(first));
  EXPECT_EQ(gguf::File::open(pulled.model.path()).tensors().size(), 3U);
  fs::remove(root_->path() / "plain/split/sub/m-Q8_0-00002-of-00003.gguf");
  EXPECT_THAT(error("plain/split:Q8_0"), HasSubstr("2 files of it, not all"));
}

TEST_F(PullTest, KeepsTheTokenFromOtherHosts) {
  token_ = "secret";
  const std::string there = on_hub("cdn/repo");
  get("cdn/repo");
  EXPECT_EQ(content("cdn/repo"), there);
  for (const auto& each : asked("cdn/repo")) {
    EXPECT_EQ(each["authorization"].is_null(), each["host"] == "cdn") << each;
  }
}

TEST_F(PullTest, GoesOnWhereTheConnectionWasCut) {
  for (const std::string repo : {"cut/repo", "cutonce/repo", "unsized/repo"}) {
    const std::string there = on_hub(repo);
    get(repo);
    EXPECT_EQ(content(repo), there);
  }
  const auto requests = asked("cut/repo");
  ASSERT_EQ(requests.size(), 5U);  // the list, and pieces of 100 000 bytes
  EXPECT_EQ(requests[4]["range"], "bytes=300000-");
}

TEST_F(PullTest, BeginsAgainWhereAServerTakesNoRanges) {
  for (const std::string repo : {"norange/repo", "changing/repo"}) {
    const std::string there = on_hub(repo);
    get(repo);
    EXPECT_EQ(content(repo), there);
  }
}

TEST_F(PullTest, BeginsAgainWhereWhatWasLeftIsDamaged) {
  const std::string there = on_hub("damaged/repo");
  get("damaged/repo");
  EXPECT_EQ(content("damaged/repo"), there);
}

TEST_F(PullTest, GoesOnWithWhatAnInterruptedPullLeft) {
  const std::string there = on_hub("cut/stop");
  cancel_ = 150000;
  EXPECT_THROW(get("cut/stop"), TransferCancelled);
  EXPECT_FALSE(fs::exists(folder_.path() / "cut/stop/m-Q4_0.gguf"));
  EXPECT_FALSE(models_.find("cut/stop").value().complete);
  cancel_.reset();
  const Pulled pulled = get("cut/stop");
  EXPECT_EQ(content("cut/stop"), there);
  EXPECT_LT(pulled.fetched, there.size());
}

TEST_F(PullTest, WaitsForABusyHub) {
  for (const std::string repo : {"busy/repo", "limited/repo"}) {
    const std::string there = on_hub(repo);
    get(repo);
    EXPECT_EQ(content(repo), there);
    EXPECT_TRUE(std::any_of(seen_.begin(), seen_.end(), [](const PullProgress& progress) {
      return progress.stage == PullProgress::Stage::kWaiting && progress.why.find("HTTP") == 0;
    }));
  }
}

TEST_F(PullTest, SaysWhatAHubRefuses) {
  for (const char* repo : {"broken/repo", "closed/repo", "private/repo", "gated/repo"}) on_hub(repo);
  EXPECT_THAT(error("broken/repo"), HasSubstr("HTTP 500 ('out of order')"));
  EXPECT_THAT(error("closed/repo"), HasSubstr("HTTP 429"));
  EXPECT_THAT(error("private/repo"), testing::AllOf(HasSubstr("HTTP 401"), HasSubstr("HF_TOKEN")));
  EXPECT_THAT(error("gated/repo"), HasSubstr("HTTP 403 ('Access to this model is restricted')"));
  EXPECT_THAT(error("absent/repo"), HasSubstr("has no such model"));
  token_ = "secret";
  EXPECT_EQ(error("private/repo"), "no error");
}

TEST_F(PullTest, LeavesNothingOfWhatIsWrong) {
  on_hub("wrongsum/repo");
  on_hub("wrongsize/repo");
  on_hub("longer/repo");
  on_hub("nolist/repo");
  on_hub("evil/repo");
  fs::create_directories(root_->path() / "plain/html");
  std::ofstream(root_->path() / "plain/html/m.gguf") << "<!doctype html><p>Log in first</p>";
  fs::create_directories(root_->path() / "plain/short");
  std::ofstream(root_->path() / "plain/short/m.gguf") << "GGUF and no more";
  EXPECT_THAT(error("wrongsum/repo"), HasSubstr("damaged: its SHA-256 is"));
  EXPECT_THAT(error("plain/html"), HasSubstr("no GGUF file: it looks like a web page"));
  EXPECT_THAT(error("plain/short"), HasSubstr("no GGUF file"));
  EXPECT_THAT(error("wrongsize/repo"), HasSubstr("bytes are sent, where the hub lists"));
  EXPECT_THAT(error("nolist/repo"), HasSubstr("no list of files"));
  EXPECT_THAT(files(), IsEmpty());
  EXPECT_THAT(error("longer/repo"), HasSubstr("more comes than"));
  EXPECT_FALSE(fs::exists(folder_.path() / "longer/repo/m-Q4_0.gguf"));
  get("evil/repo");  // the others are not even seen
  EXPECT_TRUE(fs::exists(folder_.path() / "evil/repo/m-Q4_0.gguf"));
}

TEST_F(PullTest, ReadsListsOfSeveralPagesAndWithoutChecksums) {
  const std::string there = on_hub("paged/repo");
  write_model(root_->path() / "paged/repo/z-Q8_0.gguf");
  EXPECT_THAT(error("paged/repo"), HasSubstr("there are 2 models"));
  EXPECT_TRUE(get("paged/repo:Q8_0").checksums);
  on_hub("nosum/repo");
  EXPECT_FALSE(get("nosum/repo").checksums);
}

TEST_F(PullTest, OneAtATime) {
  on_hub("plain/lock");
  const File file{.path = "m-Q4_0.gguf", .bytes = 10, .sha256 = {}, .unfinished = false};
  const PartialFile other(folder_.path() / "plain/lock/m-Q4_0.gguf", file);
  EXPECT_THAT(error("plain/lock"), HasSubstr("another caldera pull"));
}

TEST(Hub, IsNamedByTheEnvironment) {
  EXPECT_EQ(hub_options("http://localhost:1//").url, "http://localhost:1");
  EXPECT_THROW(hub_options("ftp://x"), Error);
}

}  // namespace
}  // namespace caldera::hub

// Models that take turns in a device's memory, as `caldera serve` has it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/served.hpp"

namespace caldera::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kProgram = CALDERA_PROGRAM;
const std::vector<std::string> kNames = {"tiny_llama3", "tiny_qwen3"};

/// Bytes that `caldera plan` gives a model of the tests.
uint64_t planned(const std::string& name) {
  const Result result = run(kProgram, {"plan", CALDERA_TEST_DATA "/model/" + name + ".gguf", "--bandwidth",
                                       "1", "--context", "256", "--sequences", "2", "--json"});
  EXPECT_EQ(result.code, 0) << result.err;
  return json::parse(result.out).at("needs").at("total");
}

class ShelfOnDevice : public testing::Test {
 protected:
  ShelfOnDevice() {
    for (const std::string& name : kNames) {
      std::filesystem::copy_file(CALDERA_TEST_DATA "/model/" + name + ".gguf", folder_ / (name + ".gguf"));
    }
  }
  void serve(uint64_t memory) {
    served_.emplace(std::vector<std::string>{"--port", "0", "--context", "256", "--parallel", "2",
                                             "--memory-limit", std::to_string(memory)},
                    std::map<std::string, std::string>{{"CALDERA_MODELS", folder_.string()}});
  }
  HttpAnswer complete(const std::string& model) {
    const json body = {{"model", model}, {"prompt", "Once"}, {"max_tokens", 4}, {"temperature", 0}};
    HttpClient client(served_->port());
    client.send(post("/v1/completions", body.dump()));
    return client.answer(std::chrono::minutes(2));  // it may load a model, and compile its kernels
  }
  json entry(const std::string& model) {
    const json status = json::parse(served_->ask(get("/v1/status")).body);
    for (const json& each : status["models"]) {
      if (each["name"] == model) return each;
    }
    return {};
  }

  TemporaryFolder folder_;
  std::optional<Served> served_;
};

TEST_F(ShelfOnDevice, TwoModelsInTheRoomOfOne) {
  const uint64_t larger = std::max(planned(kNames[0]), planned(kNames[1]));
  const uint64_t smaller = std::min(planned(kNames[0]), planned(kNames[1]));
  serve(larger + smaller / 2);
  std::string first;
  for (int turn = 0; turn < 2; ++turn) {
    for (size_t i = 0; i < kNames.size(); ++i) {
      const HttpAnswer answer = complete(kNames[i]);
      ASSERT_EQ(answer.status, 200) << answer.body;
      EXPECT_EQ(entry(kNames[i])["state"], "loaded");
      EXPECT_EQ(entry(kNames[1 - i])["state"], "available");
      EXPECT_LE(entry(kNames[i])["memory"]["total"], larger + smaller / 2);
      if (i > 0) continue;
      const std::string text = json::parse(answer.body)["choices"][0]["text"];
      EXPECT_EQ(turn == 0 ? first = text : text, first);
    }
  }
  EXPECT_EQ(served_->stop(SIGTERM), 0);

  serve(smaller / 2);
  const HttpAnswer refused = complete(kNames[0]);
  EXPECT_EQ(refused.status, 503);
  EXPECT_NE(refused.body.find("cannot be loaded"), std::string::npos) << refused.body;
  EXPECT_EQ(entry(kNames[0])["state"], "failed");
  EXPECT_EQ(served_->stop(SIGTERM), 0);
}

TEST_F(ShelfOnDevice, ClientsDoNotHearWhereFilesAre) {
  std::filesystem::resize_file(folder_ / "tiny_qwen3.gguf", 3000);
  serve(4 * planned(kNames[0]));
  const HttpAnswer refused = complete("tiny_qwen3");
  EXPECT_EQ(refused.status, 503);
  const std::string status = entry("tiny_qwen3").dump();
  for (const std::string& told : {refused.body, status}) {
    EXPECT_THAT(told, HasSubstr("tiny_qwen3.gguf: "));
    EXPECT_THAT(told, Not(HasSubstr(folder_.string())));
  }
  EXPECT_TRUE(served_->terminal().expect((folder_ / "tiny_qwen3.gguf").string()))
      << "who owns the server does";
  EXPECT_EQ(complete(kNames[0]).status, 200) << "the others can be asked";
  EXPECT_EQ(served_->stop(SIGTERM), 0);
}

TEST_F(ShelfOnDevice, BothStayWhereThereIsRoom) {
  serve(4 * (planned(kNames[0]) + planned(kNames[1])));
  for (const std::string& name : kNames) EXPECT_EQ(complete(name).status, 200);
  for (const std::string& name : kNames) EXPECT_EQ(entry(name)["state"], "loaded");
  EXPECT_EQ(served_->stop(SIGTERM), 0);
}

}  // namespace
}  // namespace caldera::test

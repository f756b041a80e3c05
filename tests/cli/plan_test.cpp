#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/process.hpp"

namespace caldera::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Json = nlohmann::json;

const std::string kProgram = CALDERA_PROGRAM;
const std::string kModel = CALDERA_TEST_DATA "/model/tiny_llama3.gguf";
const std::vector<std::string> kHeadline = {
    "plan", "llama-3.1-405b:iq1_s", "--on", "flow-z13-linux-gtt96", "--context", "32768", "--kv", "q8_0"};
constexpr size_t kPage = 45;  // lines that a plan may take

Result plan(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "plan");
  return run(kProgram, arguments);
}

Json plan_json(std::vector<std::string> arguments) {
  arguments.push_back("--json");
  const Result result = plan(std::move(arguments));
  EXPECT_EQ(result.code, 0) << result.out << result.err;
  return Json::parse(result.out);
}

TEST(PlanCommand, FitsTheHeadlineJobOntoOnePage) {
  const Result result = run(kProgram, kHeadline);
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("Fits: it needs 83.1 GiB"), HasSubstr("79.8 GB as a file"),
                                HasSubstr("32768 tokens of 274176 bytes"), HasSubstr("2.72 tokens/s"),
                                HasSubstr("2.44 tokens/s"), HasSubstr("215 GB/s (measured)"),
                                HasSubstr("An engine that fills one heap stops at 66.67 GiB")));
  EXPECT_LE(count_lines(result.out), kPage);
  EXPECT_THAT(result.err, IsEmpty());
}

TEST(PlanCommand, SaysWhatWouldFitWhereTheModelDoesNot) {
  const Result result = plan({"llama-3.1-405b:q4_k_m", "--on", "flow-z13-linux-gtt96", "-c", "32768"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("Does not fit: it needs 24"), HasSubstr("243.1 GB as a file"),
                                HasSubstr("What would fit"), HasSubstr("iq1_s (79.8 GB file"),
                                HasSubstr("caldera doctor"), Not(HasSubstr("tokens/s\n"))));
  EXPECT_LE(count_lines(result.out), kPage);
}

TEST(PlanCommand, GivesProgramsTheSame) {
  std::vector<std::string> arguments(kHeadline.begin() + 1, kHeadline.end());
  const Json json = plan_json(arguments);
  EXPECT_TRUE(json["fits"]);
  EXPECT_EQ(json["missing"], 0);
  EXPECT_EQ(json["use"]["kv"], "q8_0");
  EXPECT_EQ(json["use"]["context"], 32768);
  EXPECT_EQ(json["needs"]["kv_per_token"], 274176);
  EXPECT_EQ(json["needs"]["kv"], uint64_t{274176} * 32768);
  EXPECT_NEAR(json["needs"]["weights"].get<double>(), 79.8e9, 0.1e9);
  EXPECT_NEAR(json["speed"]["tokens_per_second_empty"].get<double>(), 2.7, 0.1);
  EXPECT_NEAR(json["speed"]["tokens_per_second_full"].get<double>(), 2.4, 0.1);
  EXPECT_EQ(json["speed"]["basis"], "measured");
  EXPECT_EQ(json["topology"]["name"], "flow-z13-linux-gtt96");
  EXPECT_EQ(json["heaps"].size(), 2);
  EXPECT_GT(json["longest_context"]["q8_0"], json["longest_context"]["f16"]);
  uint64_t sum = 0;
  for (const Json& heap : json["heaps"])
    sum += heap["weights"].get<uint64_t>() + heap["kv"].get<uint64_t>() + heap["activations"].get<uint64_t>();
  EXPECT_EQ(json["needs"]["total"], sum);
  EXPECT_GT(json["longest_context"]["q4_0"], json["longest_context"]["q8_0"]);
  EXPECT_THAT(json["not_computed_yet"], IsEmpty());
  EXPECT_THAT(json["remedies"], IsEmpty());
}

TEST(PlanCommand, ReadsAFile) {
  const Json json = plan_json({kModel, "--on", "lavapipe"});
  EXPECT_TRUE(json["fits"]);
  EXPECT_EQ(json["model"]["architecture"], "llama");
  EXPECT_EQ(json["use"]["context"], json["model"]["trained_context"]) << "shorter than a usual conversation";
  EXPECT_TRUE(json["speed"].is_null());
  EXPECT_THAT(json["not_computed_yet"], IsEmpty());
  EXPECT_THAT(plan({kModel, "--on", "lavapipe"}).out, HasSubstr("--bandwidth GB/S"));
  EXPECT_FALSE(plan_json({kModel, "--on", "lavapipe", "--bandwidth", "20"})["speed"].is_null());
}

TEST(PlanCommand, PlansForThisMachine) {
  const Json json = plan_json({"llama-3.2-3b:q4_k_m", "--sequences", "2"});
  EXPECT_EQ(json["topology"]["name"], "Fake Graphics");
  EXPECT_EQ(json["speed"]["bandwidth_gb_s"], 100);
  EXPECT_EQ(json["use"]["sequences"], 2);
  EXPECT_EQ(json["use"]["context"], 8192);
  const Result none = plan({"llama-3.1-8b:q4_k_m", "--device", "none"});
  EXPECT_EQ(none.code, 6);
  EXPECT_THAT(none.err, HasSubstr("--on plans for a machine"));
}

TEST(PlanCommand, PlansForAMachineInAFile) {
  const TemporaryFolder folder;
  write_file(folder / "mine.json",
             R"({"name": "mine\u001b[31m", "device_type": "discrete", "heaps":
                 [{"gib": 4, "device_local": true}, {"gib": 16}], "bandwidth_gb_s": {"peak": 400}})");
  const std::string path = (folder / "mine.json").string();
  const Json json = plan_json({"llama-3.1-8b:q4_k_m", "--on", path, "--memory-limit", "3GiB", "-c", "2048"});
  EXPECT_TRUE(json["fits"]);
  EXPECT_GT(json["far_weights"], uint64_t{1} << 30);
  EXPECT_EQ(json["speed"]["basis"], "datasheet");
  const Result text = plan({"llama-3.1-8b:q4_k_m", "--on", path});
  EXPECT_THAT(text.out, AllOf(HasSubstr("across the bus"), HasSubstr("of the bus 25 GB/s (assumed)"),
                              Not(HasSubstr("\x1b"))));
}

TEST(PlanCommand, ListsWhatHasAName) {
  const Result list = plan({"--list"});
  EXPECT_EQ(list.code, 0);
  for (const char* name :
       {"flow-z13-linux-gtt96", "llama-3.1-405b", "qwen3-30b-a3b", "smollm2-135m", "iq1_s"})
    EXPECT_THAT(list.out, HasSubstr(name));
  EXPECT_EQ(plan({"--on", "list"}).out, list.out);
  const Json json = plan_json({"--list"});
  EXPECT_EQ(json["topologies"].size(), 13);
  EXPECT_EQ(json["models"].size(), 19);
}

TEST(PlanCommand, RefusesWhatItCannotMean) {
  const auto refused = [](std::vector<std::string> arguments, int code, const std::string& words) {
    const Result result = plan(std::move(arguments));
    EXPECT_EQ(result.code, code) << result.out;
    EXPECT_THAT(result.err, HasSubstr(words));
    EXPECT_EQ(count_lines(result.err), 1) << result.err;
    EXPECT_THAT(result.out, IsEmpty());
  };
  const std::string on = "flow-z13-linux-gtt96";
  refused({}, 2, "name a GGUF file or a model");
  refused({"llama-5:q8_0", "--on", on}, 2, "there is no model 'llama-5'");
  refused({"llama-3.1-8b", "--on", on}, 2, "needs a format");
  refused({"llama-3.1-8b:q9", "--on", on}, 2, "there is no format 'q9'");
  refused({"llama-3.1-8b:q8_0", "--on", "nowhere"}, 2, "'nowhere' is neither a file");
  refused({"llama-3.1-8b:q8_0", "--on", on, "--device", "0"}, 2, "give one of them");
  refused({"llama-3.1-8b:q8_0", "--on", on, "--kv", "q4"}, 2, "--kv");
  refused({"llama-3.1-8b:q8_0", "--on", on, "--sequences", "65"}, 2, "--sequences");
  refused({"llama-3.1-8b:q8_0", "--on", on, "--context", "0"}, 2, "--context");
  refused({"llama-3.1-8b:q8_0", "--on", on, "--bandwidth", "-1"}, 2, "--bandwidth");
  refused({"llama-3.1-8b:q8_0", "--on", on, "--bandwidth", "nan"}, 2, "--bandwidth");
  refused({"absent.gguf", "--on", on}, 3, "absent.gguf");
  refused({kProgram, "--on", on}, 4, "GGUF");
  refused({"llama-3.1-8b:q8_0", "--on", kModel}, 9, "not JSON");
}

}  // namespace
}  // namespace caldera::test

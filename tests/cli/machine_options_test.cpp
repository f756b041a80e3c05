// What an answer took of the machine, and staying below a temperature.
#include "cli/machine_options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/fake/models.hpp"
#include "cli/process.hpp"
#include "machine/recorded_tree.hpp"

namespace caldera::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string kEdge = "sys/class/drm/card1/device/hwmon/hwmon5/temp1_input";

class Machine : public ::testing::Test {
 protected:
  Result ask(std::vector<std::string> arguments, const std::filesystem::path& root) {
    arguments.insert(arguments.begin(),
                     {"run", model_, "hello", "--temp", "0", "--sensors-root", root.string()});
    return run(CALDERA_PROGRAM, arguments);
  }

  TemporaryFolder folder_;
  std::string model_ = fake_model(folder_);
  RecordedTree tree_{"strix-halo-sensors"};
};

TEST_F(Machine, StatsAreOfEnergyAndTemperature) {
  const Result told = ask({"--stats"}, tree_.root());
  EXPECT_EQ(told.code, 0);
  EXPECT_THAT(told.err, ::testing::ContainsRegex("energy: .* J, 119.1 W, .* tokens/J; 71 °C at the end\n"));
  EXPECT_THAT(ask({}, tree_.root()).err, Not(HasSubstr("energy")));
  const auto json = nlohmann::json::parse(ask({"--stats", "--json", "-q"}, tree_.root()).out).at("machine");
  EXPECT_NEAR(json.at("watts"), 119.076, 1e-6);
  EXPECT_GT(json.at("joules"), 0.0);
  EXPECT_GT(json.at("tokens_per_joule"), 0.0);
  EXPECT_EQ(json.at("temperature_celsius"), 71.0);
}

TEST_F(Machine, StatsSayWhatIsNotKnown) {
  const Result told = ask({"--stats"}, folder_.string());
  EXPECT_EQ(told.code, 0);
  EXPECT_THAT(told.err, HasSubstr("energy: not known"));
  EXPECT_THAT(told.err, Not(HasSubstr("°C")));
  const auto json = nlohmann::json::parse(ask({"--stats", "--json"}, folder_.string()).out).at("machine");
  for (const char* name : {"joules", "watts", "tokens_per_joule", "temperature_celsius"})
    EXPECT_TRUE(json.at(name).is_null()) << name;
}

TEST_F(Machine, RestsNearTheLimitAlone) {
  EXPECT_THAT(ask({"--max-temperature", "90"}, tree_.root()).err,
              HasSubstr("kept below 90 °C: rested 0 times, 0.0 s\n"));
  EXPECT_THAT(ask({"--max-temperature", "72.5"}, tree_.root()).err,
              HasSubstr("kept below 72.5 °C: rested 15 times"));
}

TEST_F(Machine, NeedsASensorForALimit) {
  tree_.write(kEdge, "nonsense\n");
  std::filesystem::remove_all(tree_.root() / "sys/class/hwmon/hwmon3");
  const Result none = ask({"--max-temperature", "90"}, tree_.root());
  EXPECT_EQ(none.code, 6);
  EXPECT_EQ(none.out, "");
  EXPECT_THAT(none.err,
              HasSubstr("no sensor in sysfs tells how warm Fake\\x1b Device is (sensors there are: none)"));
  EXPECT_EQ(count_lines(none.err), 1U);
  for (const char* wrong : {"10", "1000", "x", "nan", ""})
    EXPECT_EQ(ask({"--max-temperature", wrong}, tree_.root()).code, 2) << wrong;
}

}  // namespace
}  // namespace caldera::test

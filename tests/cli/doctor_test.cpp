// caldera doctor on recorded machines.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "caldera/error.hpp"
#include "cli/device_json.hpp"
#include "cli/doctor_report.hpp"
#include "cli/process.hpp"
#include "machine/recorded_tree.hpp"

namespace caldera::test {
namespace {

using cli::Step;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr double kGib = 1 << 30;

/// A recorded machine and what is found about it.
struct Case {
  explicit Case(const std::string& name) : Case(RecordedTree(name)) {}
  explicit Case(const RecordedTree& tree)
      : machine(machine::read_machine(tree.root())),
        devices(cli::parse_devices(read_file(tree.root() / "vulkan.json"), "vulkan.json")),
        diagnosis(cli::diagnose(machine, devices)) {}

  std::vector<std::string> steps() const {
    std::vector<std::string> ids;
    for (const Step& step : diagnosis.steps) ids.push_back(step.id);
    return ids;
  }
  /// All instructions, "where: text", a line each.
  std::string instructions() const {
    std::string out;
    for (const Step& step : diagnosis.steps) {
      for (const cli::Instruction& instruction : step.instructions)
        out += instruction.where + ": " + instruction.text + "\n";
    }
    return out;
  }
  double now() const { return static_cast<double>(diagnosis.capacity.now) / kGib; }
  double could() const { return static_cast<double>(diagnosis.capacity.could) / kGib; }
  std::string text() const { return cli::report_text(machine, devices, diagnosis, false); }

  machine::Machine machine;
  std::vector<DeviceInfo> devices;
  cli::Diagnosis diagnosis;
};

TEST(Doctor, RaisesTheDefaultLimitOfHalfTheMemory) {
  const Case found("strix-halo-128-default-ttm");
  EXPECT_NEAR(found.now(), 62.97 - 0.82, 0.1) << "carve-out and GTT, less the reserve of both heaps";
  EXPECT_NEAR(found.could(), 115.5, 0.1);
  EXPECT_THAT(found.steps(), ElementsAre("ttm-pages-limit"));
  // 116 GiB in pages of 4 KiB.
  EXPECT_THAT(found.instructions(),
              HasSubstr("run: sudo grubby --update-kernel=ALL "
                        "--args=\"ttm.pages_limit=30408704 ttm.page_pool_size=30408704\""));
  EXPECT_THAT(found.text(), HasSubstr("Programs that fill only one stop at 42 GiB"));
  EXPECT_THAT(found.text(), Not(HasSubstr("gttsize")));
}

TEST(Doctor, ReplacesALimitThatIsSet) {
  const Case found("flow-z13-gtt96");
  EXPECT_NEAR(found.now(), 99, 0.1);
  EXPECT_THAT(found.steps(), ElementsAre("ttm-pages-limit"))
      << "a carve-out of 4 GiB is some firmware's least";
  EXPECT_THAT(
      found.instructions(),
      HasSubstr("boot.kernelParams = [ \"ttm.pages_limit=29622272\" \"ttm.page_pool_size=29622272\" ];"));
  EXPECT_THAT(found.instructions(), HasSubstr("take out of boot.kernelParams: ttm.pages_limit=25165824"));
}

TEST(Doctor, GivesLargeCarveOutsBackToTheSystem) {
  const Case large("strix-halo-128-carveout-96");
  EXPECT_NEAR(large.now(), 109.7, 0.1);
  EXPECT_THAT(large.steps(), ElementsAre("carve-out", "ttm-pages-limit"));
  EXPECT_THAT(large.text(), HasSubstr("the system is left with 29.4 GiB"));
  EXPECT_THAT(large.text(), HasSubstr("ROCm")) << "this kernel is older than 6.16.9";
  EXPECT_THAT(large.instructions(),
              HasSubstr("in /etc/default/grub, add to GRUB_CMDLINE_LINUX_DEFAULT: ttm.pages"));
  EXPECT_THAT(large.instructions(), HasSubstr("run: sudo update-grub"));
  const Case smaller("strix-halo-128-carveout-64");
  EXPECT_THAT(smaller.steps(), ElementsAre("carve-out", "ttm-pages-limit"));
  EXPECT_THAT(smaller.instructions(),
              HasSubstr("the entries under /boot/loader/entries, add to \"options\""));
  EXPECT_EQ(smaller.diagnosis.capacity.could, large.diagnosis.capacity.could) << "the same machine";
}

TEST(Doctor, TakesOutTheDeprecatedParameter) {
  const Case found("vega8-gtt82");
  EXPECT_THAT(found.steps(), ElementsAre("ttm-pages-limit"));
  EXPECT_THAT(found.instructions(),
              HasSubstr("take out of GRUB_CMDLINE_LINUX_DEFAULT: amdgpu.gttsize=82000"));
  EXPECT_THAT(found.diagnosis.steps.front().reason, HasSubstr("deprecated"));
}

TEST(Doctor, TellsOfTheMemoryOfCards) {
  const Case amd("rx-7900-xtx-no-rebar");
  EXPECT_THAT(amd.steps(), ElementsAre("resizable-bar"));
  EXPECT_NEAR(amd.now(), 24560 / 1024.0 - 0.25 - 0.37 - 1.17, 0.1)
      << "the window does not count, nor what is used";
  EXPECT_THAT(amd.text(), HasSubstr("256 MiB"));
  EXPECT_THAT(amd.text(), HasSubstr("over the bus"));
  const Case nvidia("h100-sxm-80gb");
  EXPECT_THAT(nvidia.steps(), IsEmpty());
  EXPECT_NEAR(nvidia.now(), 79.15, 0.1);
  EXPECT_NEAR(static_cast<double>(nvidia.diagnosis.capacity.far_now) / kGib, 93.9, 0.1);
  EXPECT_THAT(nvidia.text(), HasSubstr("That is what this machine can give."));
}

TEST(Doctor, RunsWithoutAGpu) {
  const Case found("no-gpu");
  EXPECT_THAT(found.steps(), IsEmpty());
  EXPECT_NEAR(found.now(), 19.5, 0.01) << "what is available, not the 2 GiB that the driver says";
  EXPECT_THAT(found.text(), HasSubstr("on the processor"));
}

TEST(Doctor, LetsContainersAndUsersReachTheGpu) {
  const Case container("container-without-dri");
  EXPECT_THAT(container.steps(), ElementsAre("container-devices", "ttm-pages-limit"));
  EXPECT_THAT(container.instructions(), HasSubstr("docker run --device /dev/dri --group-add "));
  EXPECT_THAT(container.instructions(),
              HasSubstr("outside of the container, in the settings of your boot loader"));
  const Case user("without-render-group");
  EXPECT_THAT(user.steps(), ElementsAre("render-group", "ttm-pages-limit"));
  EXPECT_THAT(user.instructions(), HasSubstr("run: sudo usermod -aG render \"$USER\""));
  EXPECT_THAT(user.text(), HasSubstr("Then log out and in again."));
}

TEST(Doctor, SeesLimitsOfControlGroups) {
  const Case found("cgroup-16g");
  EXPECT_THAT(found.steps(), ElementsAre("cgroup-limit"));
  EXPECT_THAT(
      found.instructions(),
      HasSubstr("sudo systemctl set-property user-1000.slice MemoryMax=infinity MemoryHigh=infinity"));
  EXPECT_NEAR(found.now(), 16 - 2 - 0.5 + 0.4, 0.1) << "limit, held, reserve, carve-out";
  EXPECT_NEAR(found.could(), 116.5, 0.1);
}

TEST(Doctor, AsksForARestartWhereALimitIsNotInForce) {
  RecordedTree tree("strix-halo-128-default-ttm");
  tree.write("etc/modprobe.d/ttm.conf",
             "# for models\noptions ttm pages_limit=30408704 page_pool_size=30408704\n");
  const Case found(tree);
  EXPECT_THAT(found.steps(), ElementsAre("ttm-not-in-force"));
  EXPECT_THAT(found.instructions(), HasSubstr("run: sudo dracut --force"));
  EXPECT_THAT(found.text(), HasSubstr("/etc/modprobe.d/ttm.conf"));
}

TEST(Doctor, InstallsVulkanDrivers) {
  RecordedTree tree("strix-halo-128-default-ttm");
  tree.write("vulkan.json", R"({"devices": []})");
  EXPECT_EQ(Case(tree).steps().front(), "vulkan-driver-old") << "its manifest is there";
  std::filesystem::remove_all(tree.root() / "usr/share/vulkan");
  const Case found(tree);
  EXPECT_EQ(found.steps().front(), "vulkan-driver");
  EXPECT_THAT(found.instructions(), HasSubstr("sudo dnf install mesa-vulkan-drivers"));
  EXPECT_THAT(found.text(), HasSubstr("No model can be run now"));
}

TEST(Doctor, StandsDamagedMachines) {
  for (const char* name :
       {"strix-halo-128-default-ttm", "vega8-gtt82", "rx-7900-xtx-no-rebar", "cgroup-16g"}) {
    RecordedTree tree{std::string(name)};
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(tree.root())) {
      if (entry.is_regular_file() && entry.path().filename() != "vulkan.json") files.push_back(entry.path());
    }
    for (const std::filesystem::path& file : files) {
      const std::string content = read_file(file);
      for (const std::string& damaged :
           {std::string(), content.substr(0, content.size() / 2), std::string("18446744073709551615\n"),
            std::string("\x1b[31m\xff\n"), std::string(3, '\0')}) {
        write_file(file, damaged);
        const std::string text = Case(tree).text();
        EXPECT_EQ(text.find('\x1b'), std::string::npos) << file << " reaches the terminal";
      }
      std::filesystem::remove(file);
      Case(tree).text();
      write_file(file, content);
    }
  }
}

TEST(Doctor, RefusesListingsThatAreNone) {
  for (const char* text :
       {"", "[]", "{}", R"({"devices": [{}]})", R"({"devices": [{"name": 1}]})",
        R"({"devices": [{"name": "a", "type": "cpu", "driver": "b", "heaps": [{"bytes": "x"}]}]})"}) {
    EXPECT_THROW(cli::parse_devices(text, "vulkan.json"), Error) << text;
  }
}

TEST(Doctor, PrintsJsonAndText) {
  const RecordedTree tree("strix-halo-128-default-ttm");
  const Result plain = run(CALDERA_PROGRAM, {"doctor", "--root", tree.root().string()});
  EXPECT_EQ(plain.code, 0) << plain.err;
  EXPECT_THAT(plain.out, HasSubstr("A model can use 62.1 GiB now."));
  EXPECT_THAT(plain.out, HasSubstr("This machine could give 115.5 GiB"));
  const json object =
      json::parse(run(CALDERA_PROGRAM, {"doctor", "--json", "--root", tree.root().string()}).out);
  EXPECT_EQ(object.at("steps").at(0).at("id"), "ttm-pages-limit");
  EXPECT_EQ(object.at("steps").at(0).at("restart"), "machine");
  EXPECT_GT(object.at("possible_bytes"), object.at("usable_bytes"));
  EXPECT_EQ(object.at("machine").at("gpus").at(0).at("gtt_total_bytes"), 67075309568);
  EXPECT_EQ(run(CALDERA_PROGRAM, {"doctor"}).code, 0) << "this machine, whatever it is";
  EXPECT_EQ(run(CALDERA_PROGRAM, {"doctor"}, {.environment = {{"CALDERA_FAKE_NO_DRIVER", "1"}}}).code, 0);
  EXPECT_EQ(run(CALDERA_PROGRAM, {"doctor", "--root", "/no/such/folder"}).code, 3);
}

}  // namespace
}  // namespace caldera::test

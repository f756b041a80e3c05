// caldera pull, list and rm, and models by name, as people use them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/process.hpp"
#include "gguf/writer.hpp"
#include "hub/hub_server.hpp"

namespace caldera::test {
namespace {

using testing::HasSubstr;

const std::string kProgram = CALDERA_PROGRAM;

TEST(Pull, ListsRunsAndRemovesWhatWasPulled) {
  const TemporaryFolder root;
  const TemporaryFolder models;
  std::filesystem::create_directories(root / "plain/tiny-GGUF");
  gguf::Writer writer;
  writer.set("general.architecture", "llama");
  writer.add("weight", quant::Format::kF32, {64}, std::vector<std::byte>(256));
  writer.write(root / "plain/tiny-GGUF/tiny-F32.gguf");
  writer.write(root / "plain/tiny-GGUF/tiny-BF16.gguf");
  const hub::HubServer hub(root.string());
  const Launch launch{.environment = {{"CALDERA_MODELS", models.string()}, {"CALDERA_HUB", hub.url()}}};
  const auto caldera = [&](const std::vector<std::string>& arguments) {
    return run(kProgram, arguments, launch);
  };
  const std::string file = (models / "plain/tiny-GGUF/tiny-F32.gguf").string();

  Result result = caldera({"list"});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.err, HasSubstr("there are no models in"));
  result = caldera({"inspect", "plain/tiny-GGUF:F32"});
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.err, HasSubstr("caldera pull plain/tiny-GGUF:F32 fetches it"));
  result = caldera({"pull", "plain/tiny-GGUF"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("there are 2 models"));
  result = caldera({"pull", "plain/tiny-GGUF:f32"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, file + "\n");
  EXPECT_THAT(result.err, HasSubstr("plain/tiny-GGUF:F32 is there now"));
  EXPECT_EQ(caldera({"pull", "-q", "plain/tiny-GGUF:F32", "--hub", hub.url() + "/"}).err, "");
  EXPECT_EQ(caldera({"pull", "plain/tiny-GGUF:F32", "--hub", "http://127.0.0.1:1", "--revision"}).code, 2);
  EXPECT_EQ(caldera({"pull", "tiny"}).code, 2);

  EXPECT_THAT(caldera({"list"}).out, HasSubstr("plain/tiny-GGUF:F32"));
  const auto list = nlohmann::json::parse(caldera({"list", "--json"}).out);
  EXPECT_EQ(list["models"][0]["format"], "F32");
  EXPECT_EQ(list["models"][0]["parameters"], 64);
  EXPECT_EQ(list["models"][0]["files"][0], file);
  for (const char* name : {"plain/tiny-GGUF", "plain/tiny-GGUF:f32", "tiny-F32"}) {
    EXPECT_THAT(caldera({"inspect", name}).out, HasSubstr("weight")) << name;
  }

  result = caldera({"rm", "plain/tiny-GGUF"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("--yes"));
  {
    Terminal terminal(kProgram, {"rm", "tiny-F32"}, launch.environment);
    EXPECT_TRUE(terminal.expect("remove plain/tiny-GGUF:F32"));
    terminal.send("n\n");
    EXPECT_TRUE(terminal.expect("nothing was removed"));
    EXPECT_EQ(terminal.wait(), 0);
  }
  EXPECT_TRUE(std::filesystem::exists(file));
  EXPECT_EQ(caldera({"rm", "tiny-F32", "--yes"}).code, 0);
  EXPECT_FALSE(std::filesystem::exists(models / "plain"));
  EXPECT_EQ(caldera({"rm", "tiny-F32", "--yes"}).code, 3);
}

}  // namespace
}  // namespace caldera::test

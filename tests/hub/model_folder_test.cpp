// The folder of models: names, what is unfinished, removal.
#include "hub/model_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>

#include "caldera/error.hpp"
#include "gguf/temporary_folder.hpp"

namespace caldera::hub {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ModelFolderTest : public testing::Test {
 protected:
  void put(const std::string& path, const std::string& content = "GGUF") const {
    std::filesystem::create_directories((folder_.path() / path).parent_path());
    std::ofstream(folder_.path() / path) << content;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const LocalModel& model : models_.list()) names.push_back(model.name + (model.complete ? "" : "?"));
    return names;
  }
  std::string found(const std::string& name) const {
    try {
      const auto model = models_.find(name);
      return model ? model->path().lexically_relative(folder_.path()).string() : "none";
    } catch (const Error& error) {
      return error.what();
    }
  }

  gguf::TemporaryFolder folder_;
  ModelFolder models_{folder_.path()};
};

TEST_F(ModelFolderTest, NamesModelsAsShortAsTellsThemApart) {
  put("own.gguf");
  put("set-00001-of-00002.gguf");
  put("set-00002-of-00002.gguf");
  put("a/one-GGUF/one-Q4_0.gguf");
  put("a/two/two-Q4_K_M.gguf");
  put("a/two/two-Q8_0.gguf");
  put("a/two/again-Q8_0.gguf");
  put("a/two/.two-F16.gguf.part", "GG");
  put("a/two/.two-F16.gguf.part.json", R"({"bytes": 100})");
  put("a/two/notes.txt");
  put("b/three/Q6_K/m-Q6_K-00001-of-00002.gguf");
  put("b/four/plain.gguf");
  EXPECT_THAT(names(),
              ElementsAre("a/one-GGUF:Q4_0", "a/two/again-Q8_0.gguf", "a/two/two-Q8_0.gguf", "a/two:F16?",
                          "a/two:Q4_K_M", "b/four/plain.gguf", "b/three:Q6_K?", "own", "set"));
  EXPECT_EQ(found("own"), "own.gguf");
  EXPECT_EQ(found("set"), "set-00001-of-00002.gguf");
  EXPECT_EQ(found("a/one-GGUF"), "a/one-GGUF/one-Q4_0.gguf");
  EXPECT_EQ(found("a/one-GGUF:q4_0"), "a/one-GGUF/one-Q4_0.gguf");
  EXPECT_EQ(found("one-Q4_0.gguf"), "a/one-GGUF/one-Q4_0.gguf");
  EXPECT_EQ(found("one-Q4_0"), "a/one-GGUF/one-Q4_0.gguf");
  EXPECT_EQ(found("a/two/two-Q8_0.gguf"), "a/two/two-Q8_0.gguf");
  EXPECT_EQ(found("a/three"), "none");
  EXPECT_EQ(found("nothing"), "none");
  EXPECT_THAT(found("a/two:Q8_0"), HasSubstr("there are 2 models"));
  EXPECT_THAT(found("a/two"), HasSubstr("there are 4 models"));
  const auto unfinished = models_.find("a/two:F16");
  ASSERT_TRUE(unfinished);
  EXPECT_EQ(unfinished->bytes, 100U);
  EXPECT_EQ(unfinished->there, 2U);
}

TEST_F(ModelFolderTest, RemovesAModelAndWhatBelongsToIt) {
  put("a/r/m-Q4_0-00001-of-00002.gguf");
  put("a/r/m-Q4_0-00002-of-00002.gguf");
  put("a/r/.m-Q4_0-00002-of-00002.gguf.sha256");
  put("a/r/.m-Q8_0.gguf.part");
  models_.remove(models_.find("a/r:Q4_0").value());
  EXPECT_THAT(names(), ElementsAre("a/r:Q8_0?"));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "a/r/.m-Q4_0-00002-of-00002.gguf.sha256"));
  models_.remove(models_.find("a/r").value());
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "a"));
  EXPECT_TRUE(std::filesystem::exists(folder_.path()));
}

TEST_F(ModelFolderTest, NoFolderHoldsNoModels) {
  EXPECT_TRUE(ModelFolder(folder_.path() / "none").list().empty());
  EXPECT_THROW(ModelFolder(""), Error);
}

TEST_F(ModelFolderTest, CommandLinesMayNameThem) {
  ASSERT_EQ(setenv("CALDERA_MODELS", folder_.path().c_str(), 1), 0);
  put("a/r/m-Q4_0.gguf");
  put("a/r/.m-Q8_0.gguf.part");
  const auto error = [](const char* name) -> std::string {
    try {
      return find_model(name).string();
    } catch (const Error& failure) {
      return failure.what();
    }
  };
  const std::string file = (folder_.path() / "a/r/m-Q4_0.gguf").string();
  EXPECT_EQ(error("a/r:Q4_0"), file);
  EXPECT_EQ(error("m-Q4_0"), file);
  EXPECT_EQ(error(file.c_str()), file);
  EXPECT_EQ(error("nothing.gguf"), "nothing.gguf");
  EXPECT_THAT(error("a/r:Q8_0"), HasSubstr("caldera pull a/r:Q8_0 fetches the rest"));
  EXPECT_THAT(error("a/other"), HasSubstr("caldera pull a/other fetches it"));
  ASSERT_EQ(unsetenv("CALDERA_MODELS"), 0);
}

}  // namespace
}  // namespace caldera::hub

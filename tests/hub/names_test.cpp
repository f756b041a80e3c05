// Names of models, and what names of files say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "caldera/error.hpp"
#include "hub/file_set.hpp"
#include "hub/model_name.hpp"

namespace caldera::hub {
namespace {

using testing::HasSubstr;

TEST(ModelName, TakesWhatPeopleWrite) {
  const auto parts = [](const char* text) {
    const auto name = parse_model_name(text);
    return name ? name->repo + "|" + name->file + "|" + name->tag : "none";
  };
  EXPECT_EQ(parts("owner/repo"), "owner/repo||");
  EXPECT_EQ(parts("owner/Repo-1.5_x-GGUF:Q4_K_M"), "owner/Repo-1.5_x-GGUF||Q4_K_M");
  EXPECT_EQ(parts("owner/repo/file.gguf"), "owner/repo|file.gguf|");
  EXPECT_EQ(parts("owner/repo/BF16/file-00001-of-00002.gguf"), "owner/repo|BF16/file-00001-of-00002.gguf|");
  EXPECT_EQ(parts("owner/repo:file.gguf"), "owner/repo|file.gguf|");
  for (const char* wrong : {"", "/", "a/", "/b", "model", "llama-3.1-8b:q4_k_m", "./a/b", "../b", "a/..",
                            "a/b/", "a/b/c", "a/b:", "a/b:c/d", "a/b/../c.gguf", "a/b//c.gguf", "a/b/.c.gguf",
                            "a b/c", "a/b:x\ny", "/etc/passwd"}) {
    EXPECT_EQ(parts(wrong), "none") << wrong;
  }
  EXPECT_EQ(to_string(*parse_model_name("a/b:c.gguf")), "a/b/c.gguf");
  EXPECT_EQ(to_string(*parse_model_name("a/b:q8_0")), "a/b:q8_0");
}

TEST(ModelName, FindsTheFormatInFileNames) {
  EXPECT_EQ(format_tag("Llama-3.1-8B-Instruct-Q4_K_M.gguf"), "Q4_K_M");
  EXPECT_EQ(format_tag("SmolLM2-135M-Instruct.Q4_1.gguf"), "Q4_1");
  EXPECT_EQ(format_tag("llama-3.1-405b-ud-iq1_s"), "UD-IQ1_S");
  EXPECT_EQ(format_tag("Q8_0/model.gguf"), "Q8_0");
  EXPECT_EQ(format_tag("gpt-oss-20b-mxfp4.gguf"), "MXFP4");
  EXPECT_EQ(format_tag("model_q5_k_s.gguf"), "Q5_K_S");
  EXPECT_EQ(format_tag("model-bf16.gguf"), "BF16");
  EXPECT_EQ(format_tag("qwen2.5-q.gguf"), "");
  EXPECT_EQ(format_tag("model.gguf"), "");
  EXPECT_EQ(format_tag(""), "");
  EXPECT_TRUE(has_tag("Model-Q4_K_M.gguf", "q4_k_m"));
  EXPECT_FALSE(has_tag("Model-Q4_K_M.gguf", "q4_k"));
  EXPECT_FALSE(has_tag("Model-IQ4_XS.gguf", "Q4_XS"));
  EXPECT_FALSE(has_tag("Model", ""));
}

std::vector<FileSet> sets_of(const std::vector<std::string>& paths) {
  std::vector<File> files;
  for (const std::string& path : paths) files.push_back({.path = path, .bytes = uint64_t{3} << 29});
  return group_files(files);
}

std::string chosen(const std::vector<FileSet>& sets, const char* name) {
  try {
    return choose(sets, *parse_model_name(name), "the hub").path();
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(FileSet, PutsSplitsTogetherAndChooses) {
  const auto sets = sets_of({"README.md", "m-Q4_K_M.gguf", "m-Q8_0-00002-of-00002.gguf", "mmproj-m-F16.gguf",
                             "m-Q8_0-00001-of-00002.gguf", "UD/m-UD-Q2_K_XL.gguf", "m-Q2_K_XL.gguf",
                             "m-BF16-00001-of-00003.gguf"});
  ASSERT_EQ(sets.size(), 6U);
  EXPECT_EQ(chosen(sets, "o/r:q4_k_m"), "m-Q4_K_M.gguf");
  EXPECT_EQ(chosen(sets, "o/r:Q8_0"), "m-Q8_0-00001-of-00002.gguf");
  EXPECT_EQ(chosen(sets, "o/r/m-Q8_0-00002-of-00002.gguf"), "m-Q8_0-00001-of-00002.gguf");
  EXPECT_EQ(chosen(sets, "o/r/mmproj-m-F16.gguf"), "mmproj-m-F16.gguf");
  EXPECT_EQ(chosen(sets, "o/r:Q2_K_XL"), "m-Q2_K_XL.gguf");
  EXPECT_EQ(chosen(sets, "o/r:UD-Q2_K_XL"), "UD/m-UD-Q2_K_XL.gguf");
  EXPECT_FALSE(choose(sets, *parse_model_name("o/r:bf16"), "").complete);
  EXPECT_THAT(chosen(sets, "o/r"),
              HasSubstr("there are 5 models: UD-Q2_K_XL (1.5 GiB), BF16 (1.5 GiB), Q2_K_XL (1.5 GiB)"));
  EXPECT_THAT(chosen(sets, "o/r:Q3_K"), HasSubstr("the hub has no such file; there is UD-Q2_K_XL"));
  EXPECT_THAT(chosen(sets_of({"model.safetensors"}), "o/r"), HasSubstr("no GGUF files"));
  EXPECT_EQ(chosen(sets_of({"only.gguf", "mmproj.gguf"}), "o/r"), "only.gguf");
}

}  // namespace
}  // namespace caldera::hub

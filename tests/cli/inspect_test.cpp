#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/process.hpp"

namespace caldera::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string kProgram = CALDERA_PROGRAM;
const std::string kModel = CALDERA_TEST_DATA "/model/tiny_llama3.gguf";

/// The model with the first `from` as `to`, which is as long.
std::string patched(const TemporaryFolder& folder, const std::string& from, const std::string& to) {
  std::string bytes = read_file(kModel);
  const size_t at = bytes.find(from);
  EXPECT_NE(at, std::string::npos);
  bytes.replace(at, to.size(), to);
  write_file(folder / "patched.gguf", bytes);
  return (folder / "patched.gguf").string();
}

TEST(Inspect, ShowsTheWholeFile) {
  const Result result = run(kProgram, {"inspect", kModel});
  EXPECT_EQ(result.code, 0) << result.err;
  for (const char* part :
       {"architecture    llama\n", "parameters ", "bits per weight", "context length", "KV heads",
        "tokenizer ", "format ", "total ", "general.architecture (string): llama", "in all]",
        "token_embd.weight", "blk.N.attn_q.weight", ", in "}) {
    EXPECT_THAT(result.out, HasSubstr(part));
  }
  EXPECT_THAT(result.out, Not(HasSubstr("not supported")));
}

TEST(Inspect, OnePartAlone) {
  const std::string tensors = run(kProgram, {"inspect", kModel, "--tensors"}).out;
  EXPECT_THAT(tensors, HasSubstr("blk.0.attn_q.weight"));
  EXPECT_THAT(tensors, Not(HasSubstr("general.architecture")));
  const std::string metadata = run(kProgram, {"inspect", kModel, "--metadata"}).out;
  EXPECT_THAT(metadata, HasSubstr("general.architecture"));
  EXPECT_THAT(metadata, Not(HasSubstr("in all]")));
  EXPECT_THAT(metadata, Not(HasSubstr("attn_q")));
}

TEST(Inspect, Json) {
  const auto json = nlohmann::json::parse(run(kProgram, {"inspect", kModel, "--json"}).out);
  EXPECT_EQ(json.at("metadata").at("general.architecture").at("value"), "llama");
  EXPECT_TRUE(json.at("metadata").at("tokenizer.ggml.tokens").at("value").contains("length"));
  EXPECT_EQ(json.at("file_bytes"), read_file(kModel).size());
  uint64_t elements = 0;
  for (const auto& format : json.at("formats")) elements += format.at("elements").get<uint64_t>();
  EXPECT_EQ(json.at("parameters"), elements);
  const auto full = nlohmann::json::parse(run(kProgram, {"inspect", kModel, "--json", "--metadata"}).out);
  EXPECT_TRUE(full.at("metadata").at("tokenizer.ggml.tokens").at("value").is_array());
}

TEST(Inspect, WhatThisVersionCannotRunIsShownAllTheSame) {
  const TemporaryFolder folder;
  // A name as long, so that the file stays consistent; \x1b must not reach the terminal.
  const Result other = run(kProgram, {"inspect", patched(folder, "llama", "ll\x1bma")});
  EXPECT_EQ(other.code, 0) << other.err;
  EXPECT_THAT(other.out, HasSubstr("architecture    ll\\x1bma"));
  EXPECT_THAT(other.out, Not(HasSubstr("\x1b")));
  const Result tokenizer = run(kProgram, {"inspect", patched(folder, "gpt2", "gptX")});
  EXPECT_EQ(tokenizer.code, 0) << tokenizer.err;
  EXPECT_THAT(tokenizer.out, HasSubstr("gptX"));
  EXPECT_THAT(tokenizer.out, HasSubstr("not supported by this version"));
}

TEST(Inspect, FormatsThatAreNotSupportedAreMarked) {
  // The tensor's entry: name, number of dimensions, the dimension, the type (0 is F32, 26 is I32, as large).
  std::string from = "output_norm.weight";
  from += std::string("\1\0\0\0", 4);
  std::string bytes = read_file(kModel);
  const size_t at = bytes.find(from);
  ASSERT_NE(at, std::string::npos);
  char& type = bytes[at + from.size() + 8];
  ASSERT_EQ(type, 0);
  type = 26;
  const TemporaryFolder folder;
  write_file(folder / "i32.gguf", bytes);
  const Result result = run(kProgram, {"inspect", (folder / "i32.gguf").string()});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, ::testing::ContainsRegex("I32 .*not supported by this version"));
}

TEST(Inspect, TheTemplateAlone) {
  const Result result = run(kProgram, {"inspect", kModel, "--template"});
  if (result.code == 0) {
    EXPECT_THAT(result.out, HasSubstr("{"));
  } else {
    EXPECT_EQ(result.code, 2);
    EXPECT_THAT(result.err, HasSubstr("no chat template"));
  }
}

TEST(Inspect, FilesThatAreNoModels) {
  const TemporaryFolder folder;
  const auto path = folder / "file.gguf";
  const auto expect = [&](const std::string& file, int code) {
    const Result result = run(kProgram, {"inspect", file});
    EXPECT_EQ(result.code, code) << result.err;
    EXPECT_EQ(count_lines(result.err), 1U) << result.err;
    EXPECT_EQ(result.out, "");
  };
  expect((folder / "absent").string(), 3);
  expect(folder.string(), 3);
  write_file(path, "G");
  expect(path.string(), 4);
  write_file(path, std::string(4096, '\x5a'));
  expect(path.string(), 4);
  const std::string bytes = read_file(kModel);
  for (const size_t size : {size_t{4}, size_t{100}, bytes.size() / 4, bytes.size() / 2, bytes.size() - 1}) {
    write_file(path, bytes.substr(0, size));
    expect(path.string(), 4);
  }
}

TEST(Inspect, AReaderThatGoesAway) {
  const Result result = run("/bin/sh", {"-c", kProgram + " inspect --metadata " + kModel + " | head -1"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(count_lines(result.out), 1U);
  EXPECT_EQ(result.err, "");
}

}  // namespace
}  // namespace caldera::test

#include "cli/conversation_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "caldera/error.hpp"
#include "cli/process.hpp"

namespace caldera::cli {
namespace {

ErrorKind kind_of(const std::filesystem::path& path) {
  try {
    load_conversation(path);
  } catch (const Error& error) {
    EXPECT_EQ(test::count_lines(error.what()), 0U);
    return error.kind();
  }
  ADD_FAILURE() << path;
  return ErrorKind::kInternal;
}

TEST(ConversationFile, ReadsWhatItWrote) {
  const test::TemporaryFolder folder;
  const auto path = folder / "talk.json";
  test::write_file(path, "older");
  save_conversation(path, {{"system", "be kind"}, {"user", "a\n\"b\" żółw"}, {"assistant", ""}});
  const std::vector<Message> messages = load_conversation(path);
  ASSERT_EQ(messages.size(), 3U);
  EXPECT_EQ(messages[1].role, "user");
  EXPECT_EQ(messages[1].content, "a\n\"b\" żółw");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.string()), {}), 1)
      << "no temporary file stays";
  EXPECT_EQ(static_cast<int>(std::filesystem::status(path).permissions()), 0600);
}

TEST(ConversationFile, RefusesOtherFiles) {
  const test::TemporaryFolder folder;
  const auto path = folder / "file";
  for (const std::string& content :
       {std::string(), std::string("{"), std::string("[]"), std::string("null"),
        std::string("{\"messages\": []}"),
        std::string(R"({"kind": "caldera-conversation", "version": 2, "messages": []})"),
        std::string(R"({"kind": "caldera-conversation", "version": 1})"),
        std::string(R"({"kind": "caldera-conversation", "version": 1, "messages": [1]})"),
        std::string(R"({"kind": "caldera-conversation", "version": 1, "messages": [{"role": "user"}]})"),
        std::string(
            R"({"kind": "caldera-conversation", "version": 1, "messages": [{"role": 1, "content": ""}]})"),
        std::string(
            "{\"kind\": \"caldera-conversation\", \"version\": 1, \"messages\": [], \"x\": \"\xff\"}"),
        std::string(1000000, '[')}) {
    test::write_file(path, content);
    EXPECT_EQ(kind_of(path), ErrorKind::kInput) << content.substr(0, 100);
  }
  EXPECT_EQ(kind_of(folder / "absent"), ErrorKind::kFile);
  EXPECT_EQ(kind_of(folder.string()), ErrorKind::kInput);
  EXPECT_EQ(kind_of("/dev/zero"), ErrorKind::kInput);
}

TEST(ConversationFile, AFailedSaveLeavesNothing) {
  const test::TemporaryFolder folder;
  EXPECT_THROW(save_conversation(folder / "no/folder", {}), Error);
  EXPECT_THROW(save_conversation(folder.string(), {}), Error);
  EXPECT_TRUE(std::filesystem::is_empty(folder.string()));
}

}  // namespace
}  // namespace caldera::cli

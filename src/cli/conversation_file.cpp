#include "cli/conversation_file.hpp"

#include <fmt/format.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "caldera/error.hpp"
#include "cli/output.hpp"
#include "cli/prompt.hpp"

namespace caldera::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kKind = "caldera-conversation";
constexpr int kVersion = 1;

[[noreturn]] void fail(const std::filesystem::path& path, const char* what, int code) {
  throw Error(ErrorKind::kFile, fmt::format("{}: {}: {}", escape(path.string()), what, std::strerror(code)));
}

[[noreturn]] void refuse(const std::filesystem::path& path, const char* why) {
  throw Error(ErrorKind::kInput,
              fmt::format("{}: not a conversation saved by Caldera ({})", escape(path.string()), why));
}

void write_all(int descriptor, std::string_view text, const std::filesystem::path& path) {
  while (!text.empty()) {
    const ssize_t written = write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(path, "cannot write", errno);
    text.remove_prefix(static_cast<size_t>(written));
  }
  if (fsync(descriptor) != 0) fail(path, "cannot write", errno);
}

}  // namespace

void save_conversation(const std::filesystem::path& path, const std::vector<Message>& messages) {
  Json list = Json::array();
  for (const Message& message : messages) {
    list.push_back({{"role", message.role}, {"content", message.content}});
  }
  const Json file = {{"kind", kKind}, {"version", kVersion}, {"messages", std::move(list)}};
  const std::string text = file.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";

  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) fail(path, "cannot write", EISDIR);
  std::string temporary = path.string() + ".XXXXXX";
  const int descriptor = mkstemp(temporary.data());
  if (descriptor < 0) fail(path, "cannot write", errno);
  try {
    write_all(descriptor, text, path);
    if (rename(temporary.c_str(), path.c_str()) != 0) fail(path, "cannot write", errno);
  } catch (...) {
    close(descriptor);
    unlink(temporary.c_str());
    throw;
  }
  close(descriptor);
}

std::vector<Message> load_conversation(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) fail(path, "cannot open", error ? error.value() : ENOENT);
  if (!std::filesystem::is_regular_file(status)) refuse(path, "not a regular file");

  const Json file = Json::parse(read_text(path.string()), nullptr, false);
  if (file.is_discarded() || !file.is_object()) refuse(path, "not a JSON object");
  if (file.value("kind", Json()) != kKind) refuse(path, "another kind of file");
  if (file.value("version", Json()) != kVersion) refuse(path, "written by another version");
  const Json messages = file.value("messages", Json());
  if (!messages.is_array()) refuse(path, "no messages");
  std::vector<Message> out;
  for (const Json& message : messages) {
    if (!message.is_object() || !message.value("role", Json()).is_string() ||
        !message.value("content", Json()).is_string()) {
      refuse(path, "a message without role or content");
    }
    out.push_back({message["role"].get<std::string>(), message["content"].get<std::string>()});
  }
  return out;
}

}  // namespace caldera::cli

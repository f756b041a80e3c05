#include "kernels/memory_file.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <fstream>

namespace caldera::kernels {
namespace {

/// More is not ours: some hundred keys of 300 bytes each.
constexpr std::streamsize kMostBytes = 1 << 20;

/// The file's text; nothing where it cannot be read or is far too long.
std::string read_text(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string text(kMostBytes, '\0');
  stream.read(text.data(), kMostBytes);
  const std::streamsize bytes = stream.gcount();
  text.resize(bytes < kMostBytes ? static_cast<size_t>(bytes) : 0);
  return text;
}

/// The owner's file; an object without lists where there is none.
MemoryJson read_memory(const std::filesystem::path& file, const MemoryOwner& owner) {
  if (!file.empty()) {
    MemoryJson json = MemoryJson::parse(read_text(file), nullptr, false);
    if (json.is_object()) {
      MemoryFields fields(json);
      if (fields.text("device") == owner.device && fields.text("driver") == owner.driver &&
          fields.text("kernels") == owner.kernels) {
        return json;
      }
    }
  }
  return {{"about", "How products run best on this device; 'caldera tune --forget' deletes it."},
          {"device", owner.device},
          {"driver", owner.driver},
          {"kernels", owner.kernels}};
}

}  // namespace

uint32_t MemoryFields::number(const char* name) {
  const auto found = object_.find(name);
  if (found == object_.end() || !found->is_number_unsigned() || found->get<uint64_t>() > UINT32_MAX) {
    complete_ = false;
    return 0;
  }
  return found->get<uint32_t>();
}

bool MemoryFields::flag(const char* name) {
  const auto found = object_.find(name);
  if (found != object_.end() && found->is_boolean()) return found->get<bool>();
  complete_ = false;
  return false;
}

std::string MemoryFields::text(const char* name) {
  const auto found = object_.find(name);
  if (found != object_.end() && found->is_string()) return found->get<std::string>();
  complete_ = false;
  return {};
}

MemoryJson read_memory_list(const std::filesystem::path& file, const MemoryOwner& owner, const char* name) {
  const MemoryJson json = read_memory(file, owner);
  const auto list = json.find(name);
  return list != json.end() && list->is_array() ? *list : MemoryJson::array();
}

void write_memory_list(const std::filesystem::path& file, const MemoryOwner& owner, const char* name,
                       MemoryJson list) {
  if (file.empty()) return;
  MemoryJson json = read_memory(file, owner);
  json[name] = std::move(list);
  // A driver's name need not be UTF-8: what is not is replaced, and then matches nothing when it is read.
  const std::string text = json.dump(1, ' ', false, MemoryJson::error_handler_t::replace) + "\n";
  std::error_code ignored;
  std::filesystem::create_directories(file.parent_path(), ignored);
  const std::filesystem::path part = file.string() + fmt::format(".{}.part", getpid());
  {
    std::ofstream stream(part, std::ios::binary);
    stream.write(text.data(), static_cast<std::streamsize>(text.size()));
    stream.close();
    if (!stream) {
      std::filesystem::remove(part, ignored);
      return;
    }
  }
  std::filesystem::rename(part, file, ignored);
  if (ignored) std::filesystem::remove(part, ignored);
}

}  // namespace caldera::kernels

#include "gguf/file.hpp"

#include <fmt/core.h>

#include <system_error>
#include <unordered_map>
#include <utility>

#include "caldera/error.hpp"
#include "gguf/header.hpp"
#include "gguf/input_file.hpp"
#include "gguf/printable.hpp"
#include "gguf/split_name.hpp"

namespace caldera::gguf {
namespace {

// Keys of split files, as llama.cpp's gguf-split writes them:
// https://github.com/ggml-org/llama.cpp/blob/master/src/llama-arch.cpp (LLM_KV_SPLIT_NO and its neighbours).
constexpr std::string_view kSplitNumber = "split.no";  // from 0
constexpr std::string_view kSplitCount = "split.count";
constexpr std::string_view kSplitTensors = "split.tensors.count";

/// One file of a model and what its header says.
struct Part {
  InputFile file;
  Header header;
};

Part open_part(const std::filesystem::path& path) {
  InputFile file(path);
  Cursor cursor(file);
  Header header = parse_header(cursor, file.size());
  return {std::move(file), std::move(header)};
}

[[noreturn]] void fail(ErrorKind kind, const std::filesystem::path& path, const std::string& message) {
  throw Error(kind, fmt::format("{}: {}", path.string(), message));
}

/// What a part says of the set that it belongs to; a count of 1 for a file that is whole.
struct SplitKeys {
  uint64_t number;  ///< from 0
  uint64_t count;
  std::optional<uint64_t> tensors;  ///< of all files together
};

SplitKeys split_keys(const Part& part) try {
  const Metadata& metadata = part.header.metadata;
  return {metadata.integer(kSplitNumber).value_or(0), metadata.integer(kSplitCount).value_or(1),
          metadata.integer(kSplitTensors)};
} catch (const Error& error) {
  fail(error.kind(), part.file.path(), error.what());
}

/// Checks one file against its name in the set and the keys of the file that was opened first.
void check_member(const Part& part, const SplitName& name, const SplitKeys& expected) {
  const SplitKeys keys = split_keys(part);
  if (keys.count != name.count || keys.number + 1 != name.number) {
    fail(ErrorKind::kFormat, part.file.path(),
         fmt::format(
             "its name says split {} of {}, its metadata {} of {}; give every split its own name again",
             name.number, name.count, keys.number + 1, keys.count));
  }
  if (keys.tensors != expected.tensors) {
    fail(ErrorKind::kFormat, part.file.path(),
         "it promises another number of tensors than the other splits; fetch all splits of one model");
  }
}

/// The whole set that `given` belongs to, in order.
std::vector<Part> open_set(Part given, const SplitKeys& keys) {
  const std::filesystem::path path = given.file.path();
  const auto name = parse_split_name(path);
  if (!name) {
    fail(ErrorKind::kFile, path,
         fmt::format(
             "this is split {} of {}, and its name does not end in -{:05}-of-{:05}.gguf, by which the others "
             "are found; rename it",
             keys.number + 1, keys.count, keys.number + 1, keys.count));
  }
  check_member(given, *name, keys);
  std::vector<Part> parts;
  for (uint32_t number = 1; number <= name->count; ++number) {
    if (number == name->number) continue;
    const std::filesystem::path member = split_path(name->model, number, name->count);
    std::error_code error;
    if (!std::filesystem::exists(member, error)) {
      fail(ErrorKind::kFile, member,
           fmt::format("split {} of {} is missing; put all splits into one folder", number, name->count));
    }
    parts.push_back(open_part(member));
    check_member(parts.back(), SplitName{name->model, number, name->count}, keys);
  }
  parts.insert(parts.begin() + (name->number - 1), std::move(given));
  return parts;
}

}  // namespace

struct File::State {
  uint32_t version = 0;
  Metadata metadata;
  std::vector<Tensor> tensors;
  std::unordered_map<std::string_view, size_t> by_name;  ///< into `tensors`, whose names it refers to
  std::vector<InputFile> files;
  std::vector<std::filesystem::path> paths;
  uint64_t file_bytes = 0;
};

File::File(std::unique_ptr<State> state) : state_(std::move(state)) {}
File::File(File&&) noexcept = default;
File& File::operator=(File&&) noexcept = default;
File::~File() = default;

File File::open(const std::filesystem::path& path) {
  std::vector<Part> parts;
  parts.push_back(open_part(path));
  const SplitKeys keys = split_keys(parts.front());
  if (keys.count > 1) {
    Part given = std::move(parts.front());
    parts = open_set(std::move(given), keys);
  }

  auto state = std::make_unique<State>();
  state->version = parts.front().header.version;
  state->metadata = std::move(parts.front().header.metadata);
  for (Part& part : parts) {
    for (Tensor& tensor : part.header.tensors) {
      tensor.file = static_cast<uint32_t>(state->files.size());
      state->tensors.push_back(std::move(tensor));
    }
    state->file_bytes += part.file.size();
    state->paths.push_back(part.file.path());
    state->files.push_back(std::move(part.file));
  }
  if (keys.count > 1 && keys.tensors && *keys.tensors != state->tensors.size()) {
    fail(ErrorKind::kFormat, path,
         fmt::format("its {} splits hold {} tensors, not the {} that they promise; fetch them again",
                     parts.size(), state->tensors.size(), *keys.tensors));
  }
  for (size_t i = 0; i < state->tensors.size(); ++i) {
    const Tensor& tensor = state->tensors[i];
    if (!state->by_name.emplace(tensor.name, i).second) {
      fail(ErrorKind::kFormat, state->paths[tensor.file],
           fmt::format("tensor {} is in another split too; fetch all splits of one model",
                       quote(tensor.name)));
    }
  }
  return File(std::move(state));
}

uint32_t File::version() const {
  return state_->version;
}
const Metadata& File::metadata() const {
  return state_->metadata;
}
const std::vector<Tensor>& File::tensors() const {
  return state_->tensors;
}
const std::vector<std::filesystem::path>& File::paths() const {
  return state_->paths;
}
uint64_t File::file_bytes() const {
  return state_->file_bytes;
}

const Tensor* File::find(std::string_view name) const {
  const auto at = state_->by_name.find(name);
  return at == state_->by_name.end() ? nullptr : &state_->tensors[at->second];
}

void File::read(const Tensor& tensor, uint64_t offset, std::span<std::byte> out) const {
  if (offset > tensor.bytes || out.size() > tensor.bytes - offset) {
    throw Error(ErrorKind::kInternal, fmt::format("{} bytes at {} do not lie in tensor {} of {} bytes",
                                                  out.size(), offset, quote(tensor.name), tensor.bytes));
  }
  input(tensor.file).read_at(tensor.offset + offset, out, "tensor " + quote(tensor.name));
}

void File::demand_unchanged(const Tensor& tensor, uint64_t offset) const {
  input(tensor.file).demand_unchanged(offset, "tensor " + quote(tensor.name));
}

const InputFile& File::input(uint32_t index) const {
  if (index >= state_->files.size()) {
    throw Error(ErrorKind::kInternal,
                fmt::format("there is no file {} in a set of {}", index, state_->files.size()));
  }
  return state_->files[index];
}

void validate_header(std::span<const std::byte> bytes, uint64_t file_bytes) {
  Cursor cursor("the header in memory", bytes);
  parse_header(cursor, file_bytes);
}

}  // namespace caldera::gguf

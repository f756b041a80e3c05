// Feeds arbitrary bytes to the GGUF reader: only Error may come out.
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

#include "caldera/error.hpp"
#include "gguf/header.hpp"
#include "quant/format.hpp"

namespace caldera::gguf {
namespace {

/// Calls a look-up that may refuse the key's type.
template <class Act>
void allow_error(Act act) {
  try {
    act();
  } catch (const Error& error) {
    // An error is one line, whatever names the file holds.
    if (error.kind() == ErrorKind::kInternal ||
        std::string_view(error.what()).find('\n') != std::string_view::npos) {
      __builtin_trap();
    }
  }
}

void look_up(const Metadata& metadata, const std::string& key) {
  allow_error([&] { metadata.integer(key); });
  allow_error([&] { metadata.number(key); });
  allow_error([&] { metadata.boolean(key); });
  allow_error([&] { metadata.string(key); });
  allow_error([&] { metadata.strings(key); });
  allow_error([&] { metadata.integers(key); });
  allow_error([&] { metadata.numbers(key); });
}

/// Parses the bytes as the header of a file of `file_bytes` and uses what comes out.
void parse(std::span<const std::byte> bytes, uint64_t file_bytes) {
  Cursor cursor("fuzz", bytes);
  const Header header = parse_header(cursor, file_bytes);
  for (const Metadata::Entry& entry : header.metadata.entries()) look_up(header.metadata, entry.key);
  for (const Tensor& tensor : header.tensors) {
    if (tensor.offset > file_bytes || tensor.bytes > file_bytes - tensor.offset || tensor.bytes == 0)
      __builtin_trap();
    allow_error([&] {
      const quant::Format format = tensor.format();
      if (quant::bytes_for(format, tensor.elements()) != tensor.bytes) __builtin_trap();
    });
  }
}

}  // namespace
}  // namespace caldera::gguf

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  caldera::gguf::allow_error([&] { caldera::gguf::parse(bytes, size); });
  // As if much more than the header followed, so that tensors find room.
  caldera::gguf::allow_error([&] { caldera::gguf::parse(bytes, std::numeric_limits<int64_t>::max()); });
  return 0;
}

#include "gguf/header.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <span>
#include <string_view>

#include "gguf/foreign.hpp"
#include "gguf/parse_metadata.hpp"
#include "gguf/place_tensors.hpp"

namespace caldera::gguf {
namespace {

constexpr uint64_t kDefaultAlignment = 32;
constexpr uint64_t kMaxAlignment = uint64_t{1} << 30;

/// Reads magic and version. Source: docs/gguf.md, gguf_header_t.
uint32_t parse_version(Cursor& cursor) {
  constexpr std::string_view kMagic = "GGUF";
  if (cursor.left() == 0) cursor.fail("the file is empty; fetch it again");
  const std::span<const std::byte> start = cursor.peek();
  if (!std::ranges::equal(start.first(std::min(start.size(), kMagic.size())),
                          std::as_bytes(std::span(kMagic)))) {
    const std::string_view foreign = describe_foreign(start, cursor.left());
    cursor.fail(fmt::format("this is not a GGUF file{}{}", foreign.empty() ? "" : ": ", foreign));
  }
  cursor.number<uint32_t>();
  const auto version = cursor.number<uint32_t>();
  if (version != 0 && (version & 0xffff) == 0) {
    cursor.fail(
        ErrorKind::kUnsupported,
        "this GGUF file is big-endian, and Caldera reads little-endian ones; get the little-endian file");
  }
  if (version != 2 && version != 3) {
    cursor.fail(
        ErrorKind::kUnsupported,
        fmt::format("this is GGUF version {}, and Caldera reads 2 and 3; get a newer file of this model",
                    version));
  }
  return version;
}

uint64_t alignment_of(const Cursor& cursor, const Metadata& metadata) {
  const Value* value = metadata.find("general.alignment");
  if (value == nullptr) return kDefaultAlignment;
  const auto* alignment = std::get_if<uint64_t>(value);
  if (alignment == nullptr) cursor.fail("general.alignment is not an unsigned number");
  if (*alignment == 0 || (*alignment & (*alignment - 1)) != 0 || *alignment > kMaxAlignment) {
    cursor.fail(
        fmt::format("general.alignment is {}, not a power of two up to {}", *alignment, kMaxAlignment));
  }
  return *alignment;
}

}  // namespace

Header parse_header(Cursor& cursor, uint64_t file_bytes) {
  constexpr uint64_t kMaxKeys = 65536;
  constexpr uint64_t kMaxTensors = uint64_t{1} << 20;
  Header header;
  header.version = parse_version(cursor);
  cursor.set_context("the counts at the start");
  const uint64_t tensors = cursor.count(kLeastTensorBytes, kMaxTensors, "tensors");
  const uint64_t keys = cursor.count(kLeastKeyBytes, kMaxKeys, "keys");
  header.metadata = parse_metadata(cursor, keys);
  const uint64_t alignment = alignment_of(cursor, header.metadata);
  header.tensors = parse_tensors(cursor, tensors);
  cursor.set_context("the end of the header");
  place_tensors(cursor, alignment, file_bytes, header.tensors);
  return header;
}

}  // namespace caldera::gguf

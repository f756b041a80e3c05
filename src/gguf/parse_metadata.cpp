#include "gguf/parse_metadata.hpp"

#include <fmt/core.h>

#include <vector>

#include "gguf/printable.hpp"
#include "gguf/value_type.hpp"

namespace caldera::gguf {
namespace {

constexpr uint64_t kMaxKeyLength = 65535;  // docs/gguf.md: keys are at most 2^16 - 1 bytes
constexpr uint64_t kMaxStringLength = uint64_t{16} << 20;

ValueType parse_type(Cursor& cursor) {
  const auto type = cursor.number<uint32_t>();
  if (type >= kValueTypes)
    cursor.fail(fmt::format("no value type is numbered {}: the file is damaged", type));
  return static_cast<ValueType>(type);
}

bool parse_bool(Cursor& cursor) {
  const auto byte = cursor.number<uint8_t>();
  if (byte > 1) cursor.fail(fmt::format("a bool is {}, not 0 or 1: the file is damaged", byte));
  return byte == 1;
}

/// Calls `use` with a function that reads the next value of `type`, widened as Value has it; not for arrays.
template <class Use>
auto with_reader(Cursor& cursor, ValueType type, Use use) {
  const auto number = [&]<class Stored, class Widened>(Stored, Widened) {
    return use([&] { return static_cast<Widened>(cursor.number<Stored>()); });
  };
  switch (type) {
    case ValueType::kUint8:
      return number(uint8_t{}, uint64_t{});
    case ValueType::kUint16:
      return number(uint16_t{}, uint64_t{});
    case ValueType::kUint32:
      return number(uint32_t{}, uint64_t{});
    case ValueType::kUint64:
      return number(uint64_t{}, uint64_t{});
    case ValueType::kInt8:
      return number(int8_t{}, int64_t{});
    case ValueType::kInt16:
      return number(int16_t{}, int64_t{});
    case ValueType::kInt32:
      return number(int32_t{}, int64_t{});
    case ValueType::kInt64:
      return number(int64_t{}, int64_t{});
    case ValueType::kFloat32:
      return number(float{}, double{});
    case ValueType::kFloat64:
      return number(double{}, double{});
    case ValueType::kBool:
      return use([&] { return parse_bool(cursor); });
    case ValueType::kString:
      return use([&] { return cursor.string(kMaxStringLength); });
    case ValueType::kArray:
      break;
  }
  throw Error(ErrorKind::kInternal, "an array was read as a single value");
}

/// All arrays of a header together: what they widen to stays within a few hundred MiB. The largest
/// vocabularies in use have some 260 000 tokens and twice as many merges.
constexpr uint64_t kMaxElements = uint64_t{1} << 23;

Array parse_array(Cursor& cursor, ValueType type, uint64_t& elements_left) {
  const uint64_t count = cursor.count(least_bytes(type), elements_left, "array elements");
  elements_left -= count;
  return with_reader(cursor, type, [&](auto read) -> Array {
    std::vector<decltype(read())> values;
    values.reserve(count);
    for (uint64_t i = 0; i < count; ++i) values.push_back(read());
    return values;
  });
}

}  // namespace

Metadata parse_metadata(Cursor& cursor, uint64_t keys) {
  Metadata metadata;
  uint64_t elements_left = kMaxElements;
  for (uint64_t i = 0; i < keys; ++i) {
    cursor.set_context(fmt::format("key {} of {}", i + 1, keys));
    Metadata::Entry entry;
    entry.key = cursor.string(kMaxKeyLength);
    if (entry.key.empty()) cursor.fail("a key has no name: the file is damaged");
    cursor.set_context("key " + quote(entry.key));
    if (metadata.has(entry.key)) cursor.fail("the key is there twice: the file is damaged");
    const ValueType type = parse_type(cursor);
    if (type == ValueType::kArray) {
      const ValueType element = parse_type(cursor);
      if (element == ValueType::kArray) {
        cursor.fail(ErrorKind::kUnsupported, "an array of arrays, which Caldera does not read");
      }
      entry.type = fmt::format("array of {}", name_of(element));
      entry.value = parse_array(cursor, element, elements_left);
    } else {
      entry.type = name_of(type);
      entry.value = with_reader(cursor, type, [](auto read) -> Value { return read(); });
    }
    metadata.add(std::move(entry));
  }
  return metadata;
}

}  // namespace caldera::gguf

// Builds GGUF files byte by byte, so that they can be wrong in any way; knows nothing of the Writer.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/value_type.hpp"

namespace caldera::gguf {

class RawGguf {
 public:
  /// Magic, version, and the counts of tensors and keys.
  RawGguf(uint64_t tensors, uint64_t keys, uint32_t version = 3) {
    text("GGUF").number(version).number(tensors).number(keys);
  }

  template <class T>
  RawGguf& number(T value) {
    const auto* first = reinterpret_cast<const char*>(&value);
    bytes_.append(first, sizeof(value));
    return *this;
  }
  RawGguf& text(std::string_view characters) {
    bytes_ += characters;
    return *this;
  }
  RawGguf& string(std::string_view value) { return number(uint64_t{value.size()}).text(value); }

  RawGguf& key(std::string_view name, ValueType type) {
    return string(name).number(static_cast<uint32_t>(type));
  }
  template <class T>
  RawGguf& entry(std::string_view name, ValueType type, T value) {
    return key(name, type).number(value);
  }
  RawGguf& entry(std::string_view name, std::string_view value) {
    return key(name, ValueType::kString).string(value);
  }
  RawGguf& array(std::string_view name, ValueType type, uint64_t count) {
    return key(name, ValueType::kArray).number(static_cast<uint32_t>(type)).number(count);
  }

  RawGguf& tensor(std::string_view name, const std::vector<uint64_t>& shape, uint32_t type, uint64_t offset) {
    string(name).number(static_cast<uint32_t>(shape.size()));
    for (const uint64_t dimension : shape) number(dimension);
    return number(type).number(offset);
  }
  RawGguf& zeros(size_t count) {
    bytes_.append(count, '\0');
    return *this;
  }
  RawGguf& align(size_t alignment = 32) { return zeros((alignment - bytes_.size() % alignment) % alignment); }

  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

/// A small valid file with every type of value, an array of each kind and three tensors.
inline std::string small_gguf() {
  RawGguf raw(3, 16);
  raw.entry("general.architecture", "llama");
  raw.entry("a.uint8", ValueType::kUint8, uint8_t{200});
  raw.entry("a.int8", ValueType::kInt8, int8_t{-100});
  raw.entry("a.uint16", ValueType::kUint16, uint16_t{60000});
  raw.entry("a.int16", ValueType::kInt16, int16_t{-30000});
  raw.entry("a.uint32", ValueType::kUint32, uint32_t{4000000000});
  raw.entry("a.int32", ValueType::kInt32, int32_t{-2000000000});
  raw.entry("a.uint64", ValueType::kUint64, ~uint64_t{0});
  raw.entry("a.int64", ValueType::kInt64, int64_t{-5});
  raw.entry("a.float32", ValueType::kFloat32, 1.5f);
  raw.entry("a.float64", ValueType::kFloat64, 0.1);
  raw.entry("a.bool", ValueType::kBool, uint8_t{1});
  raw.array("b.strings", ValueType::kString, 3).string("one").string("").string("three");
  raw.array("b.numbers", ValueType::kInt32, 3).number(int32_t{-1}).number(int32_t{2}).number(int32_t{3});
  raw.array("b.bools", ValueType::kBool, 2).number(uint8_t{1}).number(uint8_t{0});
  raw.array("b.floats", ValueType::kFloat32, 0);
  raw.tensor("first", {32, 2}, 2, 0);      // Q4_0: 36 bytes
  raw.tensor("second", {3, 1, 2}, 0, 64);  // F32: 24 bytes
  raw.tensor("third", {256}, 17, 96);      // IQ2_XS, which Caldera cannot compute with: 74 bytes
  raw.align();
  for (size_t i = 0; i < 96 + 74; ++i) raw.number(static_cast<uint8_t>(i));
  return raw.bytes();
}

inline std::span<const std::byte> as_bytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}

}  // namespace caldera::gguf

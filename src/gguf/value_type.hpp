// The types that metadata values have in a file.
// Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, gguf_metadata_value_type.
#pragma once

#include <cstdint>
#include <string_view>

namespace caldera::gguf {

enum class ValueType : uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

inline constexpr uint32_t kValueTypes = 13;

/// The type's name ("uint32"); `type` must be one of the above.
constexpr std::string_view name_of(ValueType type) {
  constexpr std::string_view kNames[kValueTypes] = {"uint8",  "int8",    "uint16", "int16",  "uint32",
                                                    "int32",  "float32", "bool",   "string", "array",
                                                    "uint64", "int64",   "float64"};
  return kNames[static_cast<uint32_t>(type)];
}

/// The least number of bytes that a value takes in a file: an empty string is its length alone, an empty
/// array its element type and length.
constexpr uint64_t least_bytes(ValueType type) {
  constexpr uint8_t kBytes[kValueTypes] = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};
  return kBytes[static_cast<uint32_t>(type)];
}

}  // namespace caldera::gguf

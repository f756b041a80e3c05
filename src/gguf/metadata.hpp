// The key-value part of a GGUF file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace caldera::gguf {

/// An array of one element type; integers widen to 64 bits, floats to double, booleans stay.
using Array = std::variant<std::vector<int64_t>, std::vector<uint64_t>, std::vector<double>,
                           std::vector<bool>, std::vector<std::string>>;

/// One metadata value. Integers keep their sign, floats widen to double.
using Value = std::variant<int64_t, uint64_t, double, bool, std::string, Array>;

/// Metadata in the order of the file, with typed look-ups that name the key when they fail.
class Metadata {
 public:
  struct Entry {
    std::string key;
    std::string type;  ///< as the file says it: "uint32", "array of string", ...
    Value value;
  };

  /// Appends an entry. A key that is there already is an Error (kFormat).
  void add(Entry entry);
  const std::vector<Entry>& entries() const { return entries_; }
  const Value* find(std::string_view key) const;
  bool has(std::string_view key) const { return find(key) != nullptr; }

  /// The value, or nothing if the key is absent. A value of another kind is an Error (kFormat); so is a
  /// negative number from integer().
  std::optional<uint64_t> integer(std::string_view key) const;
  std::optional<double> number(std::string_view key) const;  ///< floats and integers
  std::optional<bool> boolean(std::string_view key) const;
  std::optional<std::string_view> string(std::string_view key) const;
  const std::vector<std::string>* strings(std::string_view key) const;
  /// Booleans count as 0 and 1, as per-layer patterns are stored both ways.
  std::optional<std::vector<int64_t>> integers(std::string_view key) const;
  std::optional<std::vector<double>> numbers(std::string_view key) const;

  /// The value; its absence is an Error (kFormat) that names the key.
  uint64_t required_integer(std::string_view key) const;
  double required_number(std::string_view key) const;
  std::string_view required_string(std::string_view key) const;

 private:
  const Entry* find_entry(std::string_view key) const;

  std::vector<Entry> entries_;
  std::map<std::string, size_t, std::less<>> index_;  ///< key to its place in entries_
};

}  // namespace caldera::gguf

#include "gguf/metadata.hpp"

#include <fmt/core.h>

#include <limits>

#include "caldera/error.hpp"
#include "gguf/printable.hpp"

namespace caldera::gguf {
namespace {

[[noreturn]] void fail_kind(std::string_view key, std::string_view found, std::string_view wanted) {
  throw Error(ErrorKind::kFormat,
              fmt::format("the model's key {} holds {}, not {}", quote(key), found, wanted));
}

template <class T>
T required(std::optional<T> value, std::string_view key) {
  if (value) return *std::move(value);
  throw Error(ErrorKind::kFormat, fmt::format("the model has no key {}, which it needs", quote(key)));
}

}  // namespace

void Metadata::add(Entry entry) {
  const auto [at, fresh] = index_.emplace(entry.key, entries_.size());
  if (!fresh) throw Error(ErrorKind::kFormat, fmt::format("the key {} is there twice", quote(entry.key)));
  entries_.push_back(std::move(entry));
}

const Metadata::Entry* Metadata::find_entry(std::string_view key) const {
  const auto at = index_.find(key);
  return at == index_.end() ? nullptr : &entries_[at->second];
}

const Value* Metadata::find(std::string_view key) const {
  const Entry* entry = find_entry(key);
  return entry != nullptr ? &entry->value : nullptr;
}

std::optional<uint64_t> Metadata::integer(std::string_view key) const {
  const Entry* entry = find_entry(key);
  if (entry == nullptr) return std::nullopt;
  if (const auto* value = std::get_if<uint64_t>(&entry->value)) return *value;
  if (const auto* value = std::get_if<int64_t>(&entry->value)) {
    if (*value < 0) fail_kind(key, fmt::format("{}", *value), "a number of zero or more");
    return static_cast<uint64_t>(*value);
  }
  fail_kind(key, entry->type, "an integer");
}

std::optional<double> Metadata::number(std::string_view key) const {
  const Entry* entry = find_entry(key);
  if (entry == nullptr) return std::nullopt;
  if (const auto* value = std::get_if<double>(&entry->value)) return *value;
  if (const auto* value = std::get_if<uint64_t>(&entry->value)) return static_cast<double>(*value);
  if (const auto* value = std::get_if<int64_t>(&entry->value)) return static_cast<double>(*value);
  fail_kind(key, entry->type, "a number");
}

std::optional<bool> Metadata::boolean(std::string_view key) const {
  const Entry* entry = find_entry(key);
  if (entry == nullptr) return std::nullopt;
  if (const auto* value = std::get_if<bool>(&entry->value)) return *value;
  fail_kind(key, entry->type, "a bool");
}

std::optional<std::string_view> Metadata::string(std::string_view key) const {
  const Entry* entry = find_entry(key);
  if (entry == nullptr) return std::nullopt;
  if (const auto* value = std::get_if<std::string>(&entry->value)) return *value;
  fail_kind(key, entry->type, "a string");
}

const std::vector<std::string>* Metadata::strings(std::string_view key) const {
  const Entry* entry = find_entry(key);
  if (entry == nullptr) return nullptr;
  if (const auto* array = std::get_if<Array>(&entry->value)) {
    if (const auto* values = std::get_if<std::vector<std::string>>(array)) return values;
  }
  fail_kind(key, entry->type, "an array of strings");
}

std::optional<std::vector<int64_t>> Metadata::integers(std::string_view key) const {
  const Entry* entry = find_entry(key);
  if (entry == nullptr) return std::nullopt;
  if (const auto* array = std::get_if<Array>(&entry->value)) {
    if (const auto* values = std::get_if<std::vector<int64_t>>(array)) return *values;
    if (const auto* values = std::get_if<std::vector<bool>>(array)) return {{values->begin(), values->end()}};
    if (const auto* values = std::get_if<std::vector<uint64_t>>(array)) {
      for (const uint64_t value : *values) {
        if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
          fail_kind(key, fmt::format("{}", value), "numbers below 2^63");
        }
      }
      return {{values->begin(), values->end()}};
    }
  }
  fail_kind(key, entry->type, "an array of integers");
}

std::optional<std::vector<double>> Metadata::numbers(std::string_view key) const {
  const Entry* entry = find_entry(key);
  if (entry == nullptr) return std::nullopt;
  if (const auto* array = std::get_if<Array>(&entry->value)) {
    if (const auto* values = std::get_if<std::vector<double>>(array)) return *values;
    const auto widen = [](const auto& values) {
      std::vector<double> out;
      out.reserve(values.size());
      for (const auto value : values) out.push_back(static_cast<double>(value));
      return out;
    };
    if (const auto* values = std::get_if<std::vector<int64_t>>(array)) return widen(*values);
    if (const auto* values = std::get_if<std::vector<uint64_t>>(array)) return widen(*values);
  }
  fail_kind(key, entry->type, "an array of numbers");
}

uint64_t Metadata::required_integer(std::string_view key) const {
  return required(integer(key), key);
}
double Metadata::required_number(std::string_view key) const {
  return required(number(key), key);
}
std::string_view Metadata::required_string(std::string_view key) const {
  return required(string(key), key);
}

}  // namespace caldera::gguf

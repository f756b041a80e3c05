// What `caldera inspect` finds in a file: gathered once, printed as text or as JSON.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "gguf/file.hpp"

namespace caldera::cli {

/// The tensors of one format, together.
struct FormatUse {
  std::string name;  ///< "Q4_1"
  bool supported = false;
  uint64_t tensors = 0;
  uint64_t elements = 0;
  uint64_t bytes = 0;
  double bits_per_weight() const;
};

/// One fact of the summary. Nothing in it is taken on trust: a key of the wrong kind is shown as it is.
struct Fact {
  std::string name;   ///< "context length"
  std::string value;  ///< safe for a terminal
};

/// A metadata value on one line; arrays longer than `items` and strings longer than `bytes` are cut.
std::string describe_value(const gguf::Metadata::Entry& entry, size_t items, size_t bytes);

/// The same as JSON: arrays longer than `items` as {"length", "first"}.
nlohmann::ordered_json value_json(const gguf::Value& value, size_t items);

std::vector<FormatUse> formats_of(const gguf::File& file);
FormatUse total_of(const std::vector<FormatUse>& formats);
std::vector<Fact> summarize(const gguf::File& file);

/// "576 x 49152", the row length first as in the file.
std::string describe_shape(const std::vector<uint64_t>& shape);

/// The model's chat template, if it has one.
const std::string* chat_template_of(const gguf::Metadata& metadata);

}  // namespace caldera::cli

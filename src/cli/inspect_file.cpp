#include "cli/inspect_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "caldera/error.hpp"
#include "cli/output.hpp"
#include "model/spec.hpp"
#include "quant/gguf_types.hpp"
#include "text/chat_template.hpp"
#include "text/tokenizer.hpp"

namespace caldera::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kTemplateKey = "tokenizer.chat_template";

/// float32 values widened to double are shown with the digits that they have.
std::string describe_scalar(double value, bool single) {
  return single ? fmt::format("{}", static_cast<float>(value)) : fmt::format("{}", value);
}

template <typename T>
std::string describe_items(const std::vector<T>& values, size_t items, size_t bytes, bool single) {
  std::string out = "[";
  const size_t shown = std::min(values.size(), items);
  for (size_t i = 0; i < shown; ++i) {
    if (i > 0) out += ", ";
    if constexpr (std::is_same_v<T, std::string>) {
      out += fmt::format("\"{}\"", escape(shorten(values[i], bytes)));
    } else if constexpr (std::is_same_v<T, double>) {
      out += describe_scalar(values[i], single);
    } else {
      out += fmt::format("{}", static_cast<T>(values[i]));
    }
  }
  return out + (shown < values.size() ? fmt::format(", … {} in all]", values.size()) : "]");
}

const gguf::Metadata::Entry* entry_of(const gguf::Metadata& metadata, std::string_view key) {
  const auto& entries = metadata.entries();
  const auto found =
      std::find_if(entries.begin(), entries.end(), [&](const auto& entry) { return entry.key == key; });
  return found == entries.end() ? nullptr : &*found;
}

std::string string_of(const gguf::Metadata& metadata, std::string_view key) {
  const gguf::Value* value = metadata.find(key);
  const auto* text = value == nullptr ? nullptr : std::get_if<std::string>(value);
  return text == nullptr ? "" : *text;
}

/// What this version makes of a part of the file: "" or why it cannot use it.
template <typename Use>
std::string unsupported(Use use) {
  try {
    use();
    return {};
  } catch (const Error& error) {
    return fmt::format(" (not supported by this version: {})", one_line(error.what()));
  }
}

struct ToJson {
  size_t items;
  Json operator()(const gguf::Array& array) const {
    return std::visit(
        [&](const auto& values) {
          Json list = Json::array();
          for (size_t i = 0; i < std::min(values.size(), items); ++i) list.push_back(Json(values[i]));
          if (values.size() <= items) return list;
          return Json{{"length", values.size()}, {"first", std::move(list)}};
        },
        array);
  }
  template <typename Scalar>
  Json operator()(const Scalar& scalar) const {
    return scalar;
  }
};

}  // namespace

double FormatUse::bits_per_weight() const {
  return elements > 0 ? 8.0 * static_cast<double>(bytes) / static_cast<double>(elements) : 0.0;
}

std::string describe_value(const gguf::Metadata::Entry& entry, size_t items, size_t bytes) {
  const bool single = entry.type.ends_with("float32");
  struct Visitor {
    size_t items;
    size_t bytes;
    bool single;
    std::string operator()(const std::string& value) const { return escape(shorten(value, bytes)); }
    std::string operator()(double value) const { return describe_scalar(value, single); }
    std::string operator()(int64_t value) const { return fmt::format("{}", value); }
    std::string operator()(uint64_t value) const { return fmt::format("{}", value); }
    std::string operator()(bool value) const { return fmt::format("{}", value); }
    std::string operator()(const gguf::Array& array) const {
      return std::visit([&](const auto& values) { return describe_items(values, items, bytes, single); },
                        array);
    }
  };
  return std::visit(Visitor{items, bytes, single}, entry.value);
}

Json value_json(const gguf::Value& value, size_t items) {
  return std::visit(ToJson{items}, value);
}

std::vector<FormatUse> formats_of(const gguf::File& file) {
  std::vector<FormatUse> out;
  for (const gguf::Tensor& tensor : file.tensors()) {
    const std::string name(quant::gguf_type_name(tensor.type));
    auto row = std::find_if(out.begin(), out.end(), [&](const FormatUse& use) { return use.name == name; });
    if (row == out.end()) {
      row = out.insert(row, FormatUse{name, quant::format_from_gguf(tensor.type).has_value()});
    }
    row->tensors += 1;
    row->elements += tensor.elements();
    row->bytes += tensor.bytes;
  }
  std::sort(out.begin(), out.end(), [](const FormatUse& a, const FormatUse& b) { return a.bytes > b.bytes; });
  return out;
}

FormatUse total_of(const std::vector<FormatUse>& formats) {
  FormatUse total{"total", true};
  for (const FormatUse& use : formats) {
    total.tensors += use.tensors;
    total.elements += use.elements;
    total.bytes += use.bytes;
  }
  return total;
}

std::vector<Fact> summarize(const gguf::File& file) {
  const gguf::Metadata& metadata = file.metadata();
  const FormatUse total = total_of(formats_of(file));
  const std::string architecture = string_of(metadata, "general.architecture");
  std::vector<Fact> facts;
  const auto add = [&](const char* name, std::string value) { facts.push_back({name, std::move(value)}); };
  const auto add_key = [&](const char* name, const std::string& key) {
    if (const auto* entry = entry_of(metadata, key)) add(name, describe_value(*entry, 8, 80));
  };

  add_key("name", "general.name");
  add("architecture", (architecture.empty() ? "not said" : escape(shorten(architecture, 80))) +
                          unsupported([&] { model::read_spec(file); }));
  add("parameters", human_count(total.elements));
  add("size", fmt::format("{} ({} bytes), {:.2f} bits per weight", human_bytes(file.file_bytes()),
                          file.file_bytes(), total.bits_per_weight()));
  if (file.paths().size() > 1) add("splits", fmt::format("{} files", file.paths().size()));
  add("GGUF version", fmt::format("{}", file.version()));
  static constexpr std::array<std::array<const char*, 2>, 13> kArchitectureKeys = {{
      {"context length", "context_length"},
      {"layers", "block_count"},
      {"width", "embedding_length"},
      {"FFN width", "feed_forward_length"},
      {"heads", "attention.head_count"},
      {"KV heads", "attention.head_count_kv"},
      {"key width", "attention.key_length"},
      {"value width", "attention.value_length"},
      {"window", "attention.sliding_window"},
      {"experts", "expert_count"},
      {"experts used", "expert_used_count"},
      {"rope base", "rope.freq_base"},
      {"rope scaling", "rope.scaling.type"},
  }};
  for (const auto& [name, key] : kArchitectureKeys) add_key(name, fmt::format("{}.{}", architecture, key));

  const std::string tokenizer = string_of(metadata, "tokenizer.ggml.model");
  if (!tokenizer.empty()) {
    const std::string pre = string_of(metadata, "tokenizer.ggml.pre");
    uint64_t size = 0;
    const std::string problem = unsupported([&] { size = text::Tokenizer::create(metadata)->size(); });
    add("tokenizer", escape(shorten(tokenizer, 80)) + (pre.empty() ? "" : ", " + escape(shorten(pre, 80))) +
                         (problem.empty() ? fmt::format(", {} tokens", size) : problem));
  }
  if (const std::string* source = chat_template_of(metadata)) {
    add("chat template", fmt::format("{} bytes; --template prints it{}", source->size(),
                                     unsupported([&] { text::ChatTemplate parsed(*source); })));
  }
  return facts;
}

std::string describe_shape(const std::vector<uint64_t>& shape) {
  return fmt::format("{}", fmt::join(shape, " x "));
}

const std::string* chat_template_of(const gguf::Metadata& metadata) {
  const gguf::Value* value = metadata.find(kTemplateKey);
  return value == nullptr ? nullptr : std::get_if<std::string>(value);
}

}  // namespace caldera::cli

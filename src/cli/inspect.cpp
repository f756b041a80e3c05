// caldera inspect MODEL
#include <unistd.h>

#include <limits>

#include "caldera/error.hpp"
#include "cli/command.hpp"
#include "cli/inspect_file.hpp"
#include "cli/model_argument.hpp"
#include "cli/output.hpp"
#include "hub/model_folder.hpp"
#include "quant/gguf_types.hpp"

namespace caldera::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kShownItems = 6;   // of an array, where not all of it is asked for
constexpr size_t kShownBytes = 80;  // of a string
constexpr size_t kAll = std::numeric_limits<size_t>::max();
constexpr const char* kUnsupportedMark = "  not supported by this version";

struct InspectOptions {
  std::string model;
  bool tensors = false;
  bool metadata = false;
  bool chat_template = false;
  bool json = false;
};

std::string summary_text(const gguf::File& file) {
  std::string out;
  for (const Fact& fact : summarize(file)) out += fmt::format("{:<15} {}\n", fact.name, fact.value);
  return out;
}

std::string formats_text(const gguf::File& file) {
  std::vector<FormatUse> rows = formats_of(file);
  rows.push_back(total_of(rows));
  std::string out =
      fmt::format("{:<12} {:>8} {:>12} {:>12} {:>6}\n", "format", "tensors", "weights", "size", "bits");
  for (const FormatUse& row : rows) {
    out += fmt::format("{:<12} {:>8} {:>12} {:>12} {:>6.2f}{}\n", escape(row.name), row.tensors,
                       human_count(row.elements), human_bytes(row.bytes), row.bits_per_weight(),
                       row.supported ? "" : kUnsupportedMark);
  }
  return out;
}

std::string metadata_text(const gguf::File& file, size_t items, size_t bytes) {
  std::string out;
  for (const gguf::Metadata::Entry& entry : file.metadata().entries()) {
    out += fmt::format("{} ({}): {}\n", escape(entry.key), entry.type, describe_value(entry, items, bytes));
  }
  return out;
}

/// Every tensor with its place in the file.
std::string tensors_text(const gguf::File& file) {
  std::string out;
  for (const gguf::Tensor& tensor : file.tensors()) {
    out +=
        fmt::format("{:<40} {:<8} {:<24} {:>12} bytes at {}{}{}\n", escape(tensor.name),
                    quant::gguf_type_name(tensor.type), describe_shape(tensor.shape), tensor.bytes,
                    tensor.offset, file.paths().size() > 1 ? fmt::format(" of file {}", tensor.file + 1) : "",
                    quant::format_from_gguf(tensor.type) ? "" : kUnsupportedMark);
  }
  return out;
}

/// The tensors with the layers folded: one line for all that differ in the layer's number only.
std::string folded_tensors_text(const gguf::File& file) {
  struct Row {
    std::string name;
    uint32_t type;
    const std::vector<uint64_t>* shape;
    uint64_t count = 0;
  };
  std::vector<Row> rows;
  std::map<std::string, size_t> places;
  for (const gguf::Tensor& tensor : file.tensors()) {
    const std::string name = gguf::without_layer(tensor.name);
    const auto [place, added] = places.try_emplace(
        fmt::format("{} {} {}", name, tensor.type, describe_shape(tensor.shape)), rows.size());
    if (added) rows.push_back({name, tensor.type, &tensor.shape});
    rows[place->second].count += 1;
  }
  std::string out;
  for (const Row& row : rows) {
    out +=
        fmt::format("{:<40} {:<8} {}{}{}\n", escape(row.name), quant::gguf_type_name(row.type),
                    describe_shape(*row.shape), row.count > 1 ? fmt::format(", in {} layers", row.count) : "",
                    quant::format_from_gguf(row.type) ? "" : kUnsupportedMark);
  }
  return out;
}

Json to_json(const gguf::File& file, const InspectOptions& options) {
  Json summary = Json::object();
  for (const Fact& fact : summarize(file)) summary[fact.name] = fact.value;
  const std::vector<FormatUse> uses = formats_of(file);
  const FormatUse total = total_of(uses);
  Json formats = Json::array();
  for (const FormatUse& use : uses) {
    formats.push_back({{"format", use.name},
                       {"supported", use.supported},
                       {"tensors", use.tensors},
                       {"elements", use.elements},
                       {"bytes", use.bytes}});
  }
  Json metadata = Json::object();
  for (const gguf::Metadata::Entry& entry : file.metadata().entries()) {
    metadata[entry.key] = {{"type", entry.type},
                           {"value", value_json(entry.value, options.metadata ? kAll : kShownItems)}};
  }
  Json tensors = Json::array();
  for (const gguf::Tensor& tensor : file.tensors()) {
    tensors.push_back({{"name", tensor.name},
                       {"format", quant::gguf_type_name(tensor.type)},
                       {"shape", tensor.shape},
                       {"bytes", tensor.bytes},
                       {"file", tensor.file},
                       {"offset", tensor.offset}});
  }
  Json files = Json::array();
  for (const auto& path : file.paths()) files.push_back(path.string());
  return {{"files", std::move(files)},       {"file_bytes", file.file_bytes()},
          {"parameters", total.elements},    {"bits_per_weight", total.bits_per_weight()},
          {"summary", std::move(summary)},   {"formats", std::move(formats)},
          {"metadata", std::move(metadata)}, {"tensors", std::move(tensors)}};
}

int inspect(const InspectOptions& options) {
  const gguf::File file = gguf::File::open(hub::find_model(options.model));
  if (options.chat_template) {
    const std::string* source = chat_template_of(file.metadata());
    if (source == nullptr) throw Error(ErrorKind::kUsage, "--template: the model holds no chat template");
    if (options.json) {
      write_json({{"chat_template", *source}});
    } else {
      write_out((isatty(STDOUT_FILENO) == 1 ? terminal_safe(*source) : *source) + "\n");
    }
    return 0;
  }
  if (options.json) {
    write_json(to_json(file, options));
  } else if (options.tensors || options.metadata) {
    write_out((options.metadata ? metadata_text(file, kAll, kAll) : "") +
              (options.tensors ? tensors_text(file) : ""));
  } else {
    write_out(summary_text(file) + "\n" + formats_text(file) + "\n" +
              metadata_text(file, kShownItems, kShownBytes) + "\n" + folded_tensors_text(file));
  }
  return 0;
}

}  // namespace

void declare_inspect(CLI::App& app, Action& action) {
  const auto options = std::make_shared<InspectOptions>();
  add_model_argument(app, options->model)->required();
  app.add_flag("--tensors", options->tensors, "Print every tensor with its place, and nothing else");
  app.add_flag("--metadata", options->metadata, "Print the metadata in full, and nothing else");
  app.add_flag("--template", options->chat_template, "Print the chat template, and nothing else");
  app.add_flag("--json", options->json, "Print JSON; arrays are cut unless --metadata is given");
  app.callback([options, &action] { action = [options] { return inspect(*options); }; });
}

}  // namespace caldera::cli

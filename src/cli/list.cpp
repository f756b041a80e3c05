// caldera list
#include <fmt/chrono.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "caldera/error.hpp"
#include "cli/command.hpp"
#include "cli/inspect_file.hpp"
#include "cli/output.hpp"
#include "cli/table.hpp"
#include "gguf/file.hpp"
#include "hub/model_folder.hpp"

namespace caldera::cli {
namespace {

using Json = nlohmann::ordered_json;

/// What the file says of a model; an error where it cannot be read.
struct Content {
  std::string format;
  uint64_t parameters = 0;
  std::string error;
};

Content content_of(const hub::LocalModel& model) {
  Content content;
  if (!model.complete) {
    content.error =
        fmt::format("unfinished: {} are there; caldera pull goes on with it", human_bytes(model.there));
    return content;
  }
  try {
    const std::vector<FormatUse> formats = formats_of(gguf::File::open(model.path()));
    const auto main = std::max_element(formats.begin(), formats.end(),
                                       [](const auto& a, const auto& b) { return a.elements < b.elements; });
    if (main != formats.end()) content.format = main->name;
    content.parameters = total_of(formats).elements;
  } catch (const Error& error) {
    content.error = error.what();
  }
  return content;
}

std::string date_of(int64_t seconds) {
  return fmt::format("{:%Y-%m-%d %H:%M}", fmt::localtime(std::time_t{seconds}));
}

int list(bool json) {
  const hub::ModelFolder folder(hub::default_model_folder());
  const std::vector<hub::LocalModel> models = folder.list();
  Json array = Json::array();
  Table table{{"name", "size", "format", "parameters", "since"}, {}};
  std::string notes;
  for (const hub::LocalModel& model : models) {
    const Content content = content_of(model);
    if (json) {
      Json files = Json::array();
      for (const auto& file : model.files) files.push_back(file.string());
      array.push_back({{"name", model.name},
                       {"files", files},
                       {"bytes", model.bytes},
                       {"complete", model.complete},
                       {"format", content.format},
                       {"parameters", content.parameters},
                       {"modified", model.modified},
                       {"error", content.error.empty() ? Json() : Json(content.error)}});
      continue;
    }
    const bool known = content.error.empty();
    table.rows.push_back({escape(model.name), human_bytes(model.bytes), known ? escape(content.format) : "-",
                          known ? human_count(content.parameters) : "-", date_of(model.modified)});
    if (!known) notes += fmt::format("{}: {}\n", escape(model.name), one_line(content.error));
  }
  if (json) {
    write_json({{"folder", folder.path().string()}, {"models", array}});
  } else if (models.empty()) {
    say("there are no models in {}: caldera pull OWNER/REPO fetches one", escape(folder.path().string()));
  } else {
    write_out(aligned(table));
    write_error(notes);
  }
  return 0;
}

}  // namespace

void declare_list(CLI::App& app, Action& action) {
  const auto json = std::make_shared<bool>(false);
  app.add_flag("--json", *json, "Print JSON");
  app.callback([json, &action] { action = [json] { return list(*json); }; });
}

}  // namespace caldera::cli

#include "server/models.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace caldera::server {

FixedModels::FixedModels(std::vector<ServedModel> models) {
  for (ServedModel& model : models) {
    models_.push_back(std::make_shared<const ServedModel>(std::move(model)));
  }
}

std::vector<ModelEntry> FixedModels::list() const {
  std::vector<ModelEntry> entries;
  for (const auto& model : models_) {
    entries.push_back({.name = model->name, .state = ModelEntry::State::kLoaded, .served = model});
  }
  return entries;
}

void FixedModels::acquire(std::string_view name, std::function<void(Acquired)> done) {
  const auto found = name.empty() ? models_.begin()
                                  : std::find_if(models_.begin(), models_.end(),
                                                 [&](const auto& model) { return model->name == name; });
  if (found != models_.end()) return done({*found, {}});
  std::string names;
  for (const auto& model : models_) names += fmt::format("{}'{}'", names.empty() ? "" : ", ", model->name);
  done(
      {nullptr,
       {.status = 404,
        .message = fmt::format("the model '{}' does not exist here; there is {}", name.substr(0, 256), names),
        .code = "model_not_found",
        .param = "model"}});
}

void FixedModels::drain(std::chrono::milliseconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  for (const auto& model : models_) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    model->service->drain(std::max(left, std::chrono::milliseconds(0)));
  }
}

}  // namespace caldera::server

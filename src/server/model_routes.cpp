#include "server/model_routes.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "server/answer_writer.hpp"

namespace caldera::server {
namespace {

/// The members of OpenAI's and of Anthropic's model objects: clients of each leave the other's alone.
/// https://platform.openai.com/docs/api-reference/models, https://docs.anthropic.com/en/api/models-list
Json model_json(const ModelEntry& entry) {
  return {{"id", entry.name},
          {"object", "model"},
          {"created", entry.created},
          {"owned_by", "caldera"},
          {"type", "model"},
          {"display_name", entry.name},
          {"created_at", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time_t{entry.created}))}};
}

void list_models(const Models& models, Responder& responder) {
  Json data = Json::array();
  for (const ModelEntry& entry : models.list()) data.push_back(model_json(entry));
  const Json first = data.empty() ? Json(nullptr) : data.front()["id"];
  const Json last = data.empty() ? Json(nullptr) : data.back()["id"];
  responder.send(
      200,
      dump_json(
          {{"object", "list"}, {"data", data}, {"has_more", false}, {"first_id", first}, {"last_id", last}}));
}

void show_model(const Models& models, const Request& request, Responder& responder) {
  const std::string& name = request.parameters.at(0);
  for (const ModelEntry& entry : models.list()) {
    if (entry.name == name) return responder.send(200, dump_json(model_json(entry)));
  }
  const Dialect dialect =
      request.header("anthropic-version") != nullptr ? Dialect::kAnthropic : Dialect::kOpenAi;
  send_error(responder, dialect,
             {.status = 404,
              .message = fmt::format("the model '{}' does not exist here", name.substr(0, 256)),
              .code = "model_not_found",
              .param = "model"},
             request.id);
}

}  // namespace

Routes model_routes(const Models& models) {
  return {{"GET", "/v1/models",
           [&models](const Request&, const std::shared_ptr<Responder>& responder) {
             list_models(models, *responder);
           }},
          {"GET", "/v1/models/{}",
           [&models](const Request& request, const std::shared_ptr<Responder>& responder) {
             show_model(models, request, *responder);
           }}};
}

}  // namespace caldera::server

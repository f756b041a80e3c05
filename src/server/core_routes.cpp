#include "server/core_routes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "server/model_routes.hpp"
#include "server/page_routes.hpp"

namespace caldera::server {
namespace {

using Json = nlohmann::ordered_json;

void send_json(Responder& responder, const Json& value, int status = 200) {
  responder.send(status, value.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

const char* state_name(ModelEntry::State state) {
  switch (state) {
    case ModelEntry::State::kAvailable:
      return "available";
    case ModelEntry::State::kLoading:
      return "loading";
    case ModelEntry::State::kLoaded:
      return "loaded";
    case ModelEntry::State::kFailed:
      return "failed";
  }
  return "";
}

const char* stage_name(RequestStatus::Stage stage) {
  switch (stage) {
    case RequestStatus::Stage::kWaiting:
      return "waiting";
    case RequestStatus::Stage::kReading:
      return "reading";
    case RequestStatus::Stage::kAnswering:
      return "answering";
  }
  return "";
}

Json service_json(const ServiceStatus& status) {
  Json requests = Json::array();
  for (const RequestStatus& each : status.requests) {
    requests.push_back({{"id", each.id},
                        {"client", each.client},
                        {"stage", stage_name(each.stage)},
                        {"prompt_tokens", each.prompt_tokens},
                        {"read_tokens", each.read_tokens},
                        {"completion_tokens", each.completion_tokens},
                        {"seconds", each.seconds}});
  }
  return {{"slots", status.slots},
          {"requests", requests},
          {"finished", status.finished},
          {"cancelled", status.cancelled},
          {"refused", status.refused},
          {"failed", status.failed},
          {"prompt_tokens", status.prompt_tokens},
          {"cached_prompt_tokens", status.cached_prompt_tokens},
          {"completion_tokens", status.completion_tokens},
          {"cached_tokens", status.cached_tokens},
          {"tokens_per_second", status.tokens_per_second},
          {"draining", status.draining}};
}

Json model_status_json(const ModelEntry& entry) {
  Json json = {{"name", entry.name}, {"state", state_name(entry.state)}};
  if (entry.state == ModelEntry::State::kLoading) {
    json["progress"] = {{"bytes_done", entry.progress.bytes_done},
                        {"bytes_total", entry.progress.bytes_total}};
  }
  if (!entry.error.empty()) json["error"] = entry.error;
  if (!entry.served) return json;
  if (entry.served->service) json["service"] = service_json(entry.served->service->status());
  if (const Model* model = entry.served->model.get()) {
    const DeviceInfo& device = model->device();
    const MemoryUse memory = model->memory();
    json["architecture"] = model->info().architecture;
    json["format"] = model->info().format;
    json["parameters"] = model->info().parameters;
    json["context"] = model->context();
    json["device"] = {{"name", device.name}, {"type", device.type}, {"driver", device.driver}};
    Json heaps = Json::array();
    for (const HeapUse& heap : memory.heaps) {
      const HeapInfo info = heap.heap < device.heaps.size() ? device.heaps[heap.heap] : HeapInfo{};
      heaps.push_back({{"heap", heap.heap},
                       {"bytes", info.bytes},
                       {"device_local", info.device_local},
                       {"near", heap.near},
                       {"weights", heap.weights},
                       {"kv", heap.kv},
                       {"activations", heap.activations},
                       {"staging", heap.staging},
                       {"reserved", heap.reserved}});
    }
    json["memory"] = {{"weights", memory.weights},
                      {"kv", memory.kv},
                      {"kv_limit", memory.kv_limit},
                      {"activations", memory.activations},
                      {"staging", memory.staging},
                      {"total", memory.total()},
                      {"heaps", heaps}};
  }
  return json;
}

/// A value of each service that is loaded, labelled with its model.
struct ServiceFigure {
  const char* name;
  const char* type;
  const char* help;
  double (*get)(const ServiceStatus&);
};

double count_stage(const ServiceStatus& status, RequestStatus::Stage stage) {
  return static_cast<double>(std::count_if(status.requests.begin(), status.requests.end(),
                                           [&](const RequestStatus& each) { return each.stage == stage; }));
}

constexpr ServiceFigure kFigures[] = {
    {"caldera_slots", "gauge", "Most answers at once.",
     [](const ServiceStatus& status) { return double{static_cast<double>(status.slots)}; }},
    {"caldera_requests_waiting", "gauge", "Requests in the queue.",
     [](const ServiceStatus& status) { return count_stage(status, RequestStatus::Stage::kWaiting); }},
    {"caldera_requests_reading", "gauge", "Requests whose prompt is being read.",
     [](const ServiceStatus& status) { return count_stage(status, RequestStatus::Stage::kReading); }},
    {"caldera_requests_answering", "gauge", "Requests being answered.",
     [](const ServiceStatus& status) { return count_stage(status, RequestStatus::Stage::kAnswering); }},
    {"caldera_requests_finished_total", "counter", "Answers that ended by themselves.",
     [](const ServiceStatus& status) { return static_cast<double>(status.finished); }},
    {"caldera_requests_cancelled_total", "counter", "Answers that were cancelled.",
     [](const ServiceStatus& status) { return static_cast<double>(status.cancelled); }},
    {"caldera_requests_refused_total", "counter", "Requests refused: the queue was full.",
     [](const ServiceStatus& status) { return static_cast<double>(status.refused); }},
    {"caldera_requests_failed_total", "counter", "Answers ended by memory or the device.",
     [](const ServiceStatus& status) { return static_cast<double>(status.failed); }},
    {"caldera_prompt_tokens_total", "counter", "Tokens of prompts read.",
     [](const ServiceStatus& status) { return static_cast<double>(status.prompt_tokens); }},
    {"caldera_cached_prompt_tokens_total", "counter", "Tokens of prompts that were in KV memory already.",
     [](const ServiceStatus& status) { return static_cast<double>(status.cached_prompt_tokens); }},
    {"caldera_completion_tokens_total", "counter", "Tokens drawn.",
     [](const ServiceStatus& status) { return static_cast<double>(status.completion_tokens); }},
    {"caldera_cached_tokens", "gauge", "Tokens kept in KV memory for requests to come.",
     [](const ServiceStatus& status) { return static_cast<double>(status.cached_tokens); }},
    {"caldera_tokens_per_second", "gauge", "Tokens drawn by all answers together, over the last seconds.",
     [](const ServiceStatus& status) { return status.tokens_per_second; }},
};

void write_model_metrics(MetricsText& text, const Models& models) {
  const std::vector<ModelEntry> entries = models.list();
  std::vector<std::pair<const ModelEntry*, ServiceStatus>> loaded;
  text.family("caldera_model_loaded", "gauge", "Whether the model is in memory.");
  for (const ModelEntry& entry : entries) {
    text.value(entry.served ? 1 : 0, {{"model", entry.name}});
    if (entry.served && entry.served->service) loaded.emplace_back(&entry, entry.served->service->status());
  }
  for (const ServiceFigure& figure : kFigures) {
    text.family(figure.name, figure.type, figure.help);
    for (const auto& [entry, status] : loaded) text.value(figure.get(status), {{"model", entry->name}});
  }
  text.family("caldera_memory_bytes", "gauge", "Device memory in use.");
  for (const ModelEntry& entry : entries) {
    if (!entry.served || !entry.served->model) continue;
    const MemoryUse memory = entry.served->model->memory();
    const std::pair<const char*, uint64_t> parts[] = {{"weights", memory.weights},
                                                      {"kv", memory.kv},
                                                      {"activations", memory.activations},
                                                      {"staging", memory.staging}};
    for (const auto& [kind, bytes] : parts) {
      text.value(static_cast<double>(bytes), {{"model", entry.name}, {"kind", kind}});
    }
  }
}

}  // namespace

Routes core_routes(Models& models, Metrics& metrics, std::string version,
                   const std::shared_ptr<const std::atomic<bool>>& draining, const MachineReport* machine) {
  const auto began = std::chrono::steady_clock::now();
  Routes routes = {
      {"GET", "/health",
       [draining](const Request&, const std::shared_ptr<Responder>& responder) {
         send_json(*responder, {{"status", *draining ? "draining" : "ok"}}, *draining ? 503 : 200);
       }},
      {"GET", "/metrics",
       [&metrics](const Request&, const std::shared_ptr<Responder>& responder) {
         responder->send(200, metrics.text(), {}, "text/plain; version=0.0.4; charset=utf-8");
       }},
      {"GET", "/v1/status",
       [&models, &metrics, machine, version = std::move(version), began](
           const Request&, const std::shared_ptr<Responder>& responder) {
         const std::chrono::duration<double> up = std::chrono::steady_clock::now() - began;
         Json list = Json::array();
         for (const ModelEntry& entry : models.list()) list.push_back(model_status_json(entry));
         Json status = {{"version", version},
                        {"seconds", up.count()},
                        {"connections", metrics.connections.load()},
                        {"requests", metrics.requests_now.load()},
                        {"models", list}};
         if (machine != nullptr) status["machine"] = machine->json();
         send_json(*responder, status);
       }},
  };
  for (Route& route : model_routes(models)) routes.push_back(std::move(route));
  for (Route& route : page_routes()) routes.push_back(std::move(route));
  return routes;
}

void add_model_metrics(Metrics& metrics, const Models& models) {
  metrics.add_source([&models](MetricsText& text) { write_model_metrics(text, models); });
}

}  // namespace caldera::server

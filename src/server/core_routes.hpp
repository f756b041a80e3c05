// The endpoints that belong to no dialect: the page, /health, /metrics, /v1/models and /v1/status.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "server/machine_report.hpp"
#include "server/metrics.hpp"
#include "server/models.hpp"
#include "server/route.hpp"

namespace caldera::server {

/// `models`, `metrics` and `machine` must outlive the routes; without `machine` /v1/status is silent about
/// it. `draining`: what /health says then is 503.
Routes core_routes(Models& models, Metrics& metrics, std::string version,
                   const std::shared_ptr<const std::atomic<bool>>& draining,
                   const MachineReport* machine = nullptr);

/// Tells `metrics` of every model's requests, tokens and memory. `models` must outlive it.
void add_model_metrics(Metrics& metrics, const Models& models);

}  // namespace caldera::server

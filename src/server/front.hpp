// What all connections of a server share.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "server/body_budget.hpp"
#include "server/gate.hpp"
#include "server/metrics.hpp"
#include "server/request_log.hpp"
#include "server/router.hpp"
#include "server/server_options.hpp"

namespace caldera::server {

class Connection;

struct Front {
  Front(const ServerOptions& asked, Metrics& counts, RequestLog& lines)
      : options(asked),
        gate(asked),
        metrics(counts),
        log(lines),
        bodies(std::make_shared<BodyBudget>(asked.limits.all_bodies_bytes)) {}

  const ServerOptions options;
  Router router{{}};  ///< set before the first connection
  const Gate gate;
  Metrics& metrics;
  RequestLog& log;
  std::shared_ptr<BodyBudget> bodies;
  std::shared_ptr<std::atomic<bool>> draining = std::make_shared<std::atomic<bool>>(false);
  std::function<void(std::function<void()>)> run_handler;  ///< by one of the handlers' threads
  std::function<void(Connection&)> closed;                 ///< a connection ended
};

}  // namespace caldera::server

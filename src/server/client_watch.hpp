// Tells a job that its client has gone, on the relay's thread, where jobs run.
#pragma once

#include <memory>
#include <utility>

#include "server/handler.hpp"
#include "server/relay.hpp"

namespace caldera::server {

/// Calls `job->client_gone()` once the client of `responder` has gone, if job and relay are still there: the
/// responder keeps neither alive.
template <typename Job>
void watch_client(Responder& responder, std::weak_ptr<Job> job, const std::shared_ptr<Relay>& relay) {
  responder.on_closed([job = std::move(job), relay = std::weak_ptr(relay)] {
    if (const auto held = relay.lock()) {
      held->post([job] {
        if (const auto alive = job.lock()) alive->client_gone();
      });
    }
  });
}

}  // namespace caldera::server

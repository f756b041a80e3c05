// Requests that wait, and whose turn it is.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/service_request.hpp"

namespace caldera::engine {

/// Clients take turns; of one client who came first is served first.
class RequestQueue {
 public:
  size_t size() const { return size_; }
  /// Of one client.
  size_t size(const std::string& client) const;
  void push(std::shared_ptr<ServiceRequest> request);
  /// The next one; the queue must not be empty.
  std::shared_ptr<ServiceRequest> pop();
  /// Takes out all that `which` names.
  std::vector<std::shared_ptr<ServiceRequest>> remove(
      const std::function<bool(const ServiceRequest&)>& which);
  void each(const std::function<void(ServiceRequest&)>& visit) const;

 private:
  using Line = std::deque<std::shared_ptr<ServiceRequest>>;
  std::map<std::string, Line> lines_;  ///< by client; none is empty
  std::deque<std::string> turns_;      ///< clients with a line, the next one first
  size_t size_ = 0;
};

}  // namespace caldera::engine

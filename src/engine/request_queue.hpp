// Requests that wait, and whose turn it is.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/service_request.hpp"

namespace caldera::engine {

/// Who came first is served first.
class Line {
 public:
  size_t size() const { return waiting_.size(); }
  void push(std::shared_ptr<ServiceRequest> request) { waiting_.push_back(std::move(request)); }
  /// The next one; there must be one.
  std::shared_ptr<ServiceRequest> pop() {
    std::shared_ptr<ServiceRequest> request = std::move(waiting_.front());
    waiting_.pop_front();
    return request;
  }
  /// Moves all that `which` names to `removed`.
  void remove(const std::function<bool(const ServiceRequest&)>& which,
              std::vector<std::shared_ptr<ServiceRequest>>& removed) {
    for (const auto& request : waiting_) {
      if (which(*request)) removed.push_back(request);
    }
    std::erase_if(waiting_, [&](const auto& request) { return which(*request); });
  }
  void each(const std::function<void(ServiceRequest&)>& visit) const {
    for (const auto& request : waiting_) visit(*request);
  }

 private:
  std::deque<std::shared_ptr<ServiceRequest>> waiting_;
};

/// Those who differ in `name` take turns, and have a Waiting each.
template <class Waiting, std::string CompletionRequest::*name>
class Turns {
 public:
  size_t size() const { return size_; }
  /// Of one of them.
  size_t size(const std::string& who) const {
    const auto found = waiting_.find(who);
    return found == waiting_.end() ? 0 : found->second.size();
  }
  void push(std::shared_ptr<ServiceRequest> request) {
    const std::string who = request->request.*name;
    Waiting& waiting = waiting_[who];
    if (waiting.size() == 0) turns_.push_back(who);
    waiting.push(std::move(request));
    ++size_;
  }
  std::shared_ptr<ServiceRequest> pop() {
    std::string who = std::move(turns_.front());
    turns_.pop_front();
    const auto found = waiting_.find(who);
    std::shared_ptr<ServiceRequest> request = found->second.pop();
    --size_;
    if (found->second.size() == 0) {
      waiting_.erase(found);
    } else {
      turns_.push_back(std::move(who));
    }
    return request;
  }
  void remove(const std::function<bool(const ServiceRequest&)>& which,
              std::vector<std::shared_ptr<ServiceRequest>>& removed) {
    const size_t before = removed.size();
    for (auto& [who, waiting] : waiting_) waiting.remove(which, removed);
    std::erase_if(turns_, [&](const std::string& who) { return waiting_[who].size() == 0; });
    std::erase_if(waiting_, [](const auto& entry) { return entry.second.size() == 0; });
    size_ -= removed.size() - before;
  }
  void each(const std::function<void(ServiceRequest&)>& visit) const {
    for (const auto& [who, waiting] : waiting_) waiting.each(visit);
  }

 private:
  std::map<std::string, Waiting> waiting_;  ///< by `name`; none is empty
  std::deque<std::string> turns_;           ///< who waits, the next one first
  size_t size_ = 0;
};

/// Clients take turns, and within a client the users it names: a client with many users has no more of the
/// device than one with few.
using RequestQueue = Turns<Turns<Line, &CompletionRequest::user>, &CompletionRequest::client>;

}  // namespace caldera::engine

#include "engine/request_queue.hpp"

#include <algorithm>
#include <utility>

namespace caldera::engine {

size_t RequestQueue::size(const std::string& client) const {
  const auto line = lines_.find(client);
  return line == lines_.end() ? 0 : line->second.size();
}

void RequestQueue::push(std::shared_ptr<ServiceRequest> request) {
  const std::string client = request->request.client;
  Line& line = lines_[client];
  if (line.empty()) turns_.push_back(client);
  line.push_back(std::move(request));
  ++size_;
}

std::shared_ptr<ServiceRequest> RequestQueue::pop() {
  std::string client = std::move(turns_.front());
  turns_.pop_front();
  const auto line = lines_.find(client);
  std::shared_ptr<ServiceRequest> request = std::move(line->second.front());
  line->second.pop_front();
  --size_;
  if (line->second.empty()) {
    lines_.erase(line);
  } else {
    turns_.push_back(std::move(client));
  }
  return request;
}

std::vector<std::shared_ptr<ServiceRequest>> RequestQueue::remove(
    const std::function<bool(const ServiceRequest&)>& which) {
  std::vector<std::shared_ptr<ServiceRequest>> removed;
  for (auto& [client, line] : lines_) {
    for (const auto& request : line) {
      if (which(*request)) removed.push_back(request);
    }
    std::erase_if(line, [&](const auto& request) { return which(*request); });
  }
  std::erase_if(turns_, [&](const std::string& client) { return lines_[client].empty(); });
  std::erase_if(lines_, [](const auto& entry) { return entry.second.empty(); });
  size_ -= removed.size();
  return removed;
}

void RequestQueue::each(const std::function<void(ServiceRequest&)>& visit) const {
  for (const auto& [client, line] : lines_) {
    for (const auto& request : line) visit(*request);
  }
}

}  // namespace caldera::engine

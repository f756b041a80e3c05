// Counts and times of the front, and Prometheus' text form of them and of whatever else is told.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace caldera::server {

/// Writes https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
class MetricsText {
 public:
  using Labels = std::vector<std::pair<std::string_view, std::string_view>>;

  /// Begins a family of values; `type` is "counter", "gauge" or "histogram".
  void family(std::string_view name, std::string_view type, std::string_view help);
  /// A value of the family that was begun last; `suffix` is for a histogram's parts.
  void value(double value, const Labels& labels = {}, std::string_view suffix = {});
  /// A family of one value.
  void single(std::string_view name, std::string_view type, std::string_view help, double number);
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  std::string name_;
};

/// All counters since the start; safe from any thread.
class Metrics {
 public:
  std::atomic<int64_t> connections{0};  ///< open now
  std::atomic<uint64_t> accepted{0};
  std::atomic<uint64_t> refused_connections{0};  ///< too many of all, or of one address
  std::atomic<uint64_t> evicted_connections{0};  ///< idle, and closed to make room
  std::atomic<uint64_t> dropped_clients{0};      ///< read too slowly
  std::atomic<uint64_t> gone_clients{0};         ///< left before the end of their answer
  std::atomic<uint64_t> timeouts{0};
  std::atomic<uint64_t> bytes_in{0};
  std::atomic<uint64_t> bytes_out{0};
  std::atomic<int64_t> requests_now{0};  ///< being answered

  /// An answered request; `route` is the pattern, not the path, of which clients can send any number.
  void count_request(std::string_view route, int status, double seconds);

  /// Something that has values of its own, asked whenever the text is: it must be quick.
  void add_source(std::function<void(MetricsText&)> source);

  std::string text() const;

 private:
  struct Times {
    std::array<uint64_t, 12> buckets{};
    uint64_t count = 0;
    double seconds = 0;
  };
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, uint64_t> requests_;
  std::map<std::string, Times, std::less<>> times_;
  std::vector<std::function<void(MetricsText&)>> sources_;
};

}  // namespace caldera::server

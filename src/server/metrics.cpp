#include "server/metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace caldera::server {
namespace {

/// Upper bounds in seconds; the last bucket of Times has none.
constexpr std::array<double, 11> kBounds = {0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 10, 30, 120, 600};

std::string escaped(std::string_view label) {
  std::string text;
  for (const char c : label) {
    if (c == '\\' || c == '"') text += '\\';
    if (c == '\n') {
      text += "\\n";
    } else {
      text += c;
    }
  }
  return text;
}

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

}  // namespace

void MetricsText::family(std::string_view name, std::string_view type, std::string_view help) {
  name_ = name;
  text_ += fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
}

void MetricsText::value(double value, const Labels& labels, std::string_view suffix) {
  text_ += name_;
  text_ += suffix;
  if (!labels.empty()) {
    char before = '{';
    for (const auto& [name, label] : labels) {
      text_ += fmt::format("{}{}=\"{}\"", before, name, escaped(label));
      before = ',';
    }
    text_ += '}';
  }
  text_ += fmt::format(" {}\n", number(value));
}

void MetricsText::single(std::string_view name, std::string_view type, std::string_view help, double number) {
  family(name, type, help);
  value(number);
}

void Metrics::count_request(std::string_view route, int status, double seconds) {
  const std::lock_guard lock(mutex_);
  ++requests_[{std::string(route), status}];
  Times& times = times_.try_emplace(std::string(route)).first->second;
  const auto bound = std::lower_bound(kBounds.begin(), kBounds.end(), seconds);
  ++times.buckets[static_cast<size_t>(bound - kBounds.begin())];
  ++times.count;
  times.seconds += seconds;
}

void Metrics::add_source(std::function<void(MetricsText&)> source) {
  const std::lock_guard lock(mutex_);
  sources_.push_back(std::move(source));
}

std::string Metrics::text() const {
  MetricsText text;
  const auto counter = [&](const char* name, const char* help, uint64_t value) {
    text.single(name, "counter", help, static_cast<double>(value));
  };
  text.single("caldera_http_connections", "gauge", "Connections open now.", static_cast<double>(connections));
  text.single("caldera_http_requests_in_progress", "gauge", "Requests being answered now.",
              static_cast<double>(requests_now));
  counter("caldera_http_connections_total", "Connections accepted.", accepted);
  counter("caldera_http_refused_connections_total", "Connections refused: too many.", refused_connections);
  counter("caldera_http_evicted_connections_total", "Idle connections closed to make room.",
          evicted_connections);
  counter("caldera_http_dropped_clients_total", "Clients dropped because they read too slowly.",
          dropped_clients);
  counter("caldera_http_gone_clients_total", "Clients that left before the end of their answer.",
          gone_clients);
  counter("caldera_http_timeouts_total", "Requests that took longer than a limit.", timeouts);
  counter("caldera_http_received_bytes_total", "Bytes received.", bytes_in);
  counter("caldera_http_sent_bytes_total", "Bytes sent.", bytes_out);

  std::vector<std::function<void(MetricsText&)>> sources;
  {
    const std::lock_guard lock(mutex_);
    sources = sources_;
    text.family("caldera_http_requests_total", "counter", "Requests answered.");
    for (const auto& [what, count] : requests_) {
      const std::string status = fmt::to_string(what.second);
      text.value(static_cast<double>(count), {{"route", what.first}, {"status", status}});
    }
    text.family("caldera_http_request_seconds", "histogram",
                "From the end of a request to the end of its answer.");
    for (const auto& [route, times] : times_) {
      uint64_t sum = 0;
      for (size_t i = 0; i < times.buckets.size(); ++i) {
        sum += times.buckets[i];
        const std::string bound = i < kBounds.size() ? number(kBounds[i]) : "+Inf";
        text.value(static_cast<double>(sum), {{"route", route}, {"le", bound}}, "_bucket");
      }
      text.value(times.seconds, {{"route", route}}, "_sum");
      text.value(static_cast<double>(times.count), {{"route", route}}, "_count");
    }
  }
  for (const auto& source : sources) source(text);
  return text.text();
}

}  // namespace caldera::server

#include "cli/bench_plot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "cli/output.hpp"

namespace caldera::cli {
namespace {

using engine::BenchKind;
using engine::BenchReport;
using engine::BenchTest;

// In pixels.
constexpr double kWidth = 800;
constexpr double kLeft = 80;
constexpr double kRight = 776;
constexpr double kTop = 64;
constexpr double kBottom = 400;
constexpr double kLegend = 468;  ///< its first line
constexpr double kLegendLine = 20;

constexpr int kLimitParts = 64;  ///< straight parts that a limit's curve is drawn in

/// Told apart by people with any colour vision, on white and on black: the palette of Okabe and Ito (2008),
/// without its black and yellow.
constexpr std::array kColours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"};

constexpr std::string_view kStyle =
    "<style>\n"
    "text { font-family: system-ui, sans-serif; font-size: 13px; fill: #222 }\n"
    ".title { font-size: 16px; font-weight: 600 }\n"
    ".page { fill: #fff }\n"
    ".grid { stroke: #ddd }\n"
    ".axis { stroke: #222 }\n"
    ".line, .limit { fill: none; stroke-width: 2 }\n"
    ".limit { stroke-dasharray: 6 5 }\n"
    "@media (prefers-color-scheme: dark) {\n"
    "text { fill: #ddd }\n"
    ".page { fill: #16181c }\n"
    ".grid { stroke: #3a3d42 }\n"
    ".axis { stroke: #ddd }\n"
    "}\n"
    "</style>\n";

/// `text` in XML: printable, no markup, and no longer than there is room for.
std::string xml(std::string_view text) {
  std::string out;
  for (const char c : shorten(escape(text), 64)) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

/// Decode tests of one length and number of sequences, by depth.
struct Series {
  std::vector<const BenchTest*> tests;
  const char* colour = nullptr;
  std::string name;
};

std::vector<Series> series_of(const BenchReport& report) {
  std::map<std::pair<uint32_t, uint32_t>, Series> all;
  for (const BenchTest& test : report.tests) {
    if (test.kind == BenchKind::kDecode) all[{test.sequences, test.tokens}].tests.push_back(&test);
  }
  std::vector<Series> list;
  for (auto& [key, series] : all) {
    series.colour = kColours[list.size() % kColours.size()];
    series.name = fmt::format("{} tokens", key.second);
    if (key.first > 1) series.name += fmt::format(", {} sequences together", key.first);
    list.push_back(std::move(series));
  }
  return list;
}

/// The limit of a test like `test` at another depth, in the middle of its steps.
std::optional<double> limit_at(const BenchReport& report, BenchTest test, uint32_t depth) {
  test.kv_bytes = report.kv_bytes(depth + (test.tokens - 1) / 2) * test.sequences;
  return report.limit(test);
}

/// The distance of an axis's ticks: 1, 2 or 5 times a power of ten, so that there are at most eight.
double tick_step(double range) {
  const double least = range / 8;
  const double power = std::pow(10, std::floor(std::log10(least)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= least) return factor * power;
  }
  return 10 * power;
}

class Plot {
 public:
  Plot(const BenchReport& report, std::string_view date)
      : report_(report), series_(series_of(report)), depths_(std::max(1U, report.context)) {
    for (const Series& series : series_) {
      for (const BenchTest* test : series.tests) {
        highest_ = std::max(highest_, test->rate() + test->spread());
        highest_ = std::max(highest_, limit_at(report, *test, 0).value_or(0));
      }
    }
    if (!(highest_ > 0) || !std::isfinite(highest_)) highest_ = 1;
    step_ = tick_step(highest_);
    highest_ = std::ceil(highest_ / step_) * step_;
    begin(date);
    axes();
    for (const Series& series : series_) draw(series);
    legend();
    svg_ += "</svg>\n";
  }

  std::string svg() && { return std::move(svg_); }

 private:
  double x(double depth) const { return kLeft + (kRight - kLeft) * depth / depths_; }
  double y(double rate) const { return kBottom - (kBottom - kTop) * rate / highest_; }
  double height() const { return kLegend + kLegendLine * static_cast<double>(legend_lines()); }
  size_t legend_lines() const { return series_.size() + (report_.read_bandwidth ? 1 : 0); }

  void text(double at_x, double at_y, std::string_view anchor, std::string_view words,
            std::string_view more = "") {
    svg_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n", at_x, at_y,
                        anchor, more, words);
  }
  void line(std::string_view kind, double x1, double y1, double x2, double y2, std::string_view more = "") {
    svg_ += fmt::format("<line class=\"{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"{}/>\n",
                        kind, x1, y1, x2, y2, more);
  }

  void begin(std::string_view date) {
    const std::string name = fmt::format("{}{}, {}", xml(report_.name),
                                         report_.synthetic ? " (random weights)" : "", xml(report_.format));
    svg_ = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
        "role=\"img\">\n<title>Decoding {2}</title>\n{3}<rect class=\"page\" width=\"{0}\" "
        "height=\"{1}\"/>\n",
        kWidth, height(), name, kStyle);
    text(kLeft, 26, "start", "Decoding " + name, " class=\"title\"");
    text(kLeft, 46, "start",
         fmt::format("{} ({}), {}", xml(report_.device.name), xml(report_.device.driver), xml(date)));
  }

  void axes() {
    for (int i = 0; i * step_ <= highest_ * 1.0001; ++i) {
      const double rate = i * step_;
      line(i == 0 ? "axis" : "grid", kLeft, y(rate), kRight, y(rate));
      text(kLeft - 8, y(rate) + 4, "end", fmt::format("{:g}", rate));
    }
    // Depths are mostly powers of two, and so are their ticks.
    const auto step = std::bit_ceil(std::max(1U, depths_ / 8));
    for (uint64_t depth = 0; depth <= depths_; depth += step) {
      const double at = x(static_cast<double>(depth));
      line("axis", at, kBottom, at, kBottom + 5);
      text(at, kBottom + 20, "middle", std::to_string(depth));
    }
    text((kLeft + kRight) / 2, kBottom + 42, "middle", "context before the test (tokens)");
    text(0, 0, "middle", "tokens per second",
         fmt::format(" transform=\"translate(22 {:.1f}) rotate(-90)\"", (kTop + kBottom) / 2));
  }

  void path(std::string_view kind, std::string_view colour,
            const std::vector<std::pair<double, double>>& points) {
    svg_ += fmt::format("<path class=\"{}\" stroke=\"{}\" d=\"", kind, colour);
    for (size_t i = 0; i < points.size(); ++i) {
      svg_ += fmt::format("{}{:.1f} {:.1f}", i == 0 ? "M" : " L", points[i].first, points[i].second);
    }
    svg_ += "\"/>\n";
  }

  void draw(const Series& series) {
    const std::string stroke = fmt::format(" stroke=\"{}\"", series.colour);
    std::vector<std::pair<double, double>> limits;
    for (int i = 0; i <= kLimitParts; ++i) {
      const double depth = static_cast<double>(depths_) * i / kLimitParts;
      const auto limit = limit_at(report_, *series.tests[0], static_cast<uint32_t>(depth));
      if (limit) limits.emplace_back(x(depth), y(*limit));
    }
    if (!limits.empty()) path("limit", series.colour, limits);
    std::vector<std::pair<double, double>> points;
    for (const BenchTest* test : series.tests) points.emplace_back(x(test->depth), y(test->rate()));
    path("line", series.colour, points);
    for (const BenchTest* test : series.tests) {
      const auto [fastest, slowest] = std::minmax_element(test->seconds.begin(), test->seconds.end());
      const double at = x(test->depth);
      if (fastest != test->seconds.end() && *fastest > 0) {
        line("spread", at, y(test->all_tokens() / *fastest), at, y(test->all_tokens() / *slowest), stroke);
      }
      svg_ += fmt::format(
          "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\" fill=\"{}\"><title>{} at depth {}: {:.2f} "
          "tokens/s</title></circle>\n",
          at, y(test->rate()), series.colour, series.name, test->depth, test->rate());
    }
  }

  void legend() {
    double at = kLegend;
    for (const Series& series : series_) {
      line("line", kLeft, at - 4, kLeft + 32, at - 4, fmt::format(" stroke=\"{}\"", series.colour));
      text(kLeft + 42, at, "start", series.name + ", median and range of the repeats");
      at += kLegendLine;
    }
    if (!report_.read_bandwidth) return;
    line("limit", kLeft, at - 4, kLeft + 32, at - 4, " stroke=\"#888\"");
    text(kLeft + 42, at, "start",
         fmt::format("dashed: reading weights, keys and values at {:.3g} GB/s, measured{}",
                     *report_.read_bandwidth,
                     report_.far_read_bandwidth
                         ? fmt::format(", and {:.3g} GB/s across the bus", *report_.far_read_bandwidth)
                         : ""));
  }

  const BenchReport& report_;
  std::vector<Series> series_;
  uint32_t depths_;
  double highest_ = 0;
  double step_ = 1;
  std::string svg_;
};

}  // namespace

std::string bench_plot(const BenchReport& report, std::string_view date) {
  return Plot(report, date).svg();
}

}  // namespace caldera::cli

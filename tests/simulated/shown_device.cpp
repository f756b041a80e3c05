#include "simulated/shown_device.hpp"

#include <vulkan/vulkan_core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string>

#include "caldera/error.hpp"
#include "plan/topology_table.hpp"

namespace caldera::simulated {
namespace {

constexpr uint64_t kUnknownCap = uint64_t{2} << 30;
constexpr uint64_t kLeastCap = uint64_t{32} << 20;
/// The one row whose driver does not say what it would give.
constexpr std::string_view kRowWithoutBudget = "lavapipe-debian-12";

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : value;
}

[[noreturn]] void refuse_setting(const std::string& name, std::string_view value,
                                 const std::string& allowed) {
  throw Error(ErrorKind::kUsage, name + " is '" + std::string(value) + "': set it to " + allowed);
}

/// Whether the setting `name` is there; it knows one word.
bool flag(const char* name, const std::string& word) {
  const std::string value = environment(name);
  if (!value.empty() && value != word) refuse_setting(name, value, "'" + word + "', or leave it out");
  return !value.empty();
}

uint64_t divide(uint64_t bytes, double divisor) {
  return static_cast<uint64_t>(static_cast<double>(bytes) / divisor);
}

uint64_t divide_cap(uint64_t bytes, double divisor) {
  const uint64_t known = bytes == 0 ? kUnknownCap : bytes;
  return std::max(divide(known, divisor), std::min(known, kLeastCap));
}

/// "256MiB", "1.5GiB" or bytes; nothing that is not positive and finite.
double parse_size(std::string_view text) {
  double number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(rest, static_cast<size_t>(text.data() + text.size() - rest));
  if (error != std::errc() || !(number > 0) || !std::isfinite(number)) return 0;
  if (unit.empty()) return number;
  if (unit == "KiB") return number * 0x1p10;
  if (unit == "MiB") return number * 0x1p20;
  if (unit == "GiB") return number * 0x1p30;
  return 0;
}

}  // namespace

double parse_scale(std::string_view text, uint64_t total) {
  constexpr std::string_view kTotal = "total:";
  const bool by_total = text.substr(0, kTotal.size()) == kTotal;
  const double number = parse_size(by_total ? text.substr(kTotal.size()) : text);
  const double divisor = by_total ? static_cast<double>(total) / number : number;
  // Below one, sizes could leave 64 bits, and no driver could back them.
  if (!(divisor >= 1) || !std::isfinite(divisor)) {
    refuse_setting("CALDERA_SIMULATE_SCALE", text,
                   "a divisor of at least 1, or to 'total:256MiB' and the like");
  }
  return divisor;
}

plan::Topology scale_topology(plan::Topology topology, double divisor) {
  for (plan::Heap& heap : topology.heaps) {
    heap.bytes = divide(heap.bytes, divisor);
    if (heap.budget) heap.budget = divide(*heap.budget, divisor);
  }
  topology.max_allocation = divide_cap(topology.max_allocation, divisor);
  topology.max_buffer = divide_cap(topology.max_buffer, divisor);
  topology.max_storage_range = divide_cap(topology.max_storage_range, divisor);
  return topology;
}

Loss parse_loss(std::string_view text) {
  constexpr std::array<std::string_view, kLossPoints> kNames = {"submission", "wait", "allocation", "unsaid",
                                                                "stuck"};
  Loss loss;
  const size_t colon = std::min(text.find(':'), text.size());
  const auto name = std::find(kNames.begin(), kNames.end(), text.substr(0, colon));
  const char* at = text.data() + colon;
  const char* const end = text.data() + text.size();
  bool good = name != kNames.end() && at != end;
  if (good) {
    loss.point = static_cast<LossPoint>(name - kNames.begin());
    for (uint64_t* number : {&loss.first, &loss.count}) {
      if (at == end) break;
      const auto [rest, error] = std::from_chars(at + 1, end, *number);
      good = good && *at == ':' && error == std::errc();
      at = rest;
    }
  }
  if (!good || at != end) {
    refuse_setting("CALDERA_SIMULATE_LOSS", text,
                   "a point (submission, wait, allocation, unsaid, stuck) and its first time: 'wait:3'");
  }
  return loss;
}

ShownDevice shown_device() {
  const std::string row = environment("CALDERA_SIMULATE");
  if (row.empty()) refuse_setting("CALDERA_SIMULATE", "", "the name of a topology, or a file that holds one");
  ShownDevice shown;
  shown.topology = plan::find_topology(row);
  if (shown.topology.heaps.size() > VK_MAX_MEMORY_HEAPS ||
      shown.topology.types.size() > VK_MAX_MEMORY_TYPES) {
    throw Error(ErrorKind::kUsage, "'" + row + "' has more heaps or types of memory than Vulkan can show");
  }
  uint64_t total = 0;
  for (const plan::Heap& heap : shown.topology.heaps) total += heap.bytes;
  const std::string scale = environment("CALDERA_SIMULATE_SCALE");
  shown.topology = scale_topology(std::move(shown.topology), scale.empty() ? 1 : parse_scale(scale, total));
  if (flag("CALDERA_SIMULATE_TYPE", "cpu")) shown.topology.type = plan::DeviceType::kCpu;
  shown.reports_budget = shown.topology.name != kRowWithoutBudget;
  shown.enforce_budget = flag("CALDERA_SIMULATE_BUDGET", "enforced");
  shown.refuse_imports = flag("CALDERA_SIMULATE_IMPORT", "refused");
  const std::string loss = environment("CALDERA_SIMULATE_LOSS");
  if (!loss.empty()) shown.loss = parse_loss(loss);
  const std::string allocations = environment("CALDERA_SIMULATE_ALLOCATIONS");
  if (!allocations.empty()) {
    const auto [rest, error] =
        std::from_chars(allocations.data(), allocations.data() + allocations.size(), shown.max_allocations);
    if (error != std::errc() || *rest != '\0') {
      refuse_setting("CALDERA_SIMULATE_ALLOCATIONS", allocations, "a number below 2^32");
    }
  }
  return shown;
}

}  // namespace caldera::simulated

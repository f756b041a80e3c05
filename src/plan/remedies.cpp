#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "plan/plan.hpp"
#include "plan/topology_table.hpp"

namespace caldera::plan {
namespace {

/// A context shorter than this is no use to anyone.
constexpr uint32_t kShortestContext = 1024;
/// The best formats that fit, and the machines that hold what does not: more would not be read.
constexpr size_t kFormatsNamed = 2;
constexpr size_t kMachinesNamed = 3;

std::string gib(uint64_t bytes) {
  return fmt::format("{:.1f} GiB", static_cast<double>(bytes) / (uint64_t{1} << 30));
}

std::string gb(uint64_t bytes) {
  return fmt::format("{:.1f} GB", static_cast<double>(bytes) / 1e9);
}

/// Formats of KV memory that the model can have and that take less than `kv`.
std::vector<KvFormat> smaller_kv(const ModelShape& shape, KvFormats kv) {
  std::vector<KvFormat> smaller;
  for (const KvFormat format : kKvFormats) {
    if (head_against(shape, format) == 0 && page_bytes(shape, format) < page_bytes(shape, kv)) {
      smaller.push_back(format);
    }
  }
  return smaller;
}

/// The rows of the table that hold the model, the smallest first.
std::vector<std::string> machines_that_hold(const ModelShape& shape, Options options) {
  options.memory_limit = 0;
  std::vector<std::pair<uint64_t, std::string>> found;
  for (const Topology& topology : topologies()) {
    if (topology.type == DeviceType::kCpu) continue;  // nobody is helped by a slower device
    const Plan plan = make_plan(shape, topology, options);
    if (plan.fits) found.emplace_back(plan.near + plan.far, topology.name);
  }
  std::ranges::sort(found);
  std::vector<std::string> names;
  names.reserve(found.size());
  for (const auto& [bytes, name] : found) names.push_back(name);
  return names;
}

}  // namespace

std::vector<std::string> remedies(const ModelShape& shape, const Topology& topology, const Options& options) {
  std::vector<std::string> list;
  const uint32_t context = options.use.context > 0 ? options.use.context : shape.context;
  const auto with = [&](auto change) {
    Options other = options;
    change(other);
    return make_plan(shape, topology, other);
  };
  if (options.memory_limit > 0) {
    const Plan plan = with([](Options& other) { other.memory_limit = 0; });
    if (plan.fits) list.push_back(fmt::format("no --memory-limit ({} left)", gib(plan.left)));
  }
  const std::vector<KvFormat> smaller = smaller_kv(shape, options.use.kv);
  for (const KvFormat kv : smaller) {
    const Plan plan = with([&](Options& other) { other.use.kv = kv; });
    if (!plan.fits) continue;
    list.push_back(fmt::format("--kv {} ({} left)", kv_name(kv), gib(plan.left)));
    break;  // the largest that fits loses least
  }
  if (options.use.sequences > 1) {
    const Plan plan = with([](Options& other) { other.use.sequences = 1; });
    if (plan.fits) list.push_back(fmt::format("--sequences 1 ({} left)", gib(plan.left)));
  }
  const auto shorten = [&](KvFormats kv, const std::string& option) {
    const uint32_t longest = longest_context(shape, topology, options, kv);
    if (longest < kShortestContext || longest >= context) return;
    list.push_back(fmt::format("--context {}{}", longest, option));
  };
  shorten(options.use.kv, "");
  for (const KvFormat kv : smaller) shorten(kv, fmt::format(" --kv {}", kv_name(kv)));
  std::vector<std::string> formats;
  for (const FormatFit& fit : each_format(shape, topology, options)) {
    if (!fit.plan.fits || formats.size() == kFormatsNamed) continue;
    formats.push_back(fmt::format("{} ({} file, {} left{})", fit.name, gb(fit.file_bytes), gib(fit.plan.left),
                                  fit.computable ? "" : "; not computed with yet"));
  }
  if (!formats.empty()) list.push_back(fmt::format("the format {}", fmt::join(formats, " or ")));
  std::vector<std::string> machines = machines_that_hold(shape, options);
  if (!machines.empty()) {
    machines.resize(std::min(machines.size(), kMachinesNamed));
    list.push_back(fmt::format("memory like that of {}", fmt::join(machines, ", ")));
  }
  return list;
}

std::string why_not(const ModelShape& shape, const Topology& topology, const Options& options) {
  const Plan plan = make_plan(shape, topology, options);
  const std::vector<std::string> list = remedies(shape, topology, options);
  return fmt::format("{} needs {} for a context of {} and {} gives {}, {} too little: {}", shape.name,
                     gib(plan.need.total()), options.use.context > 0 ? options.use.context : shape.context,
                     topology.name, gib(plan.near + plan.far), gib(plan.missing),
                     list.empty() ? "nothing less that would do is known"
                                  : fmt::format("what would fit is {}", fmt::join(list, ", or ")));
}

}  // namespace caldera::plan

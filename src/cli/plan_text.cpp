#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "cli/output.hpp"
#include "cli/plan_answer.hpp"
#include "plan/families.hpp"
#include "plan/mixtures.hpp"
#include "plan/topology_table.hpp"

namespace caldera::cli {
namespace {

/// Formats in one row, with and without their speed.
constexpr size_t kRatedCells = 3;
constexpr size_t kCells = 4;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;

double gib(uint64_t bytes) {
  return static_cast<double>(bytes) / kGiB;
}

/// Sizes of files and of what is read, as vendors count: "79.8 GB", "105 MB".
std::string decimal(uint64_t bytes) {
  const double megabytes = static_cast<double>(bytes) / 1e6;
  return megabytes < 10     ? fmt::format("{:.1f} MB", megabytes)
         : megabytes < 1000 ? fmt::format("{:.0f} MB", megabytes)
                            : fmt::format("{:.1f} GB", megabytes / 1000);
}

/// The unit of a page's tables: that of the model's size.
struct Unit {
  const char* name;
  uint64_t bytes;
  std::string of(uint64_t size) const {
    return fmt::format("{:.2f}", static_cast<double>(size) / static_cast<double>(bytes));
  }
};

Unit unit_of(const PlanAnswer& answer) {
  return answer.plan.need.total() < 2 * kGiB ? Unit{"MiB", kMiB} : Unit{"GiB", kGiB};
}

/// "2.68", "31.4", "214": three figures are all that an estimate has.
std::string rate(double tokens) {
  return tokens >= 100  ? fmt::format("{:.0f}", tokens)
         : tokens >= 10 ? fmt::format("{:.1f}", tokens)
                        : fmt::format("{:.2f}", tokens);
}

std::string verdict(const PlanAnswer& answer) {
  const plan::Plan& plan = answer.plan;
  if (!plan.fits) {
    return fmt::format("Does not fit: it needs {}, and {} are missing.\n", human_bytes(plan.need.total()),
                       human_bytes(plan.missing));
  }
  std::string out = fmt::format("Fits: it needs {} and leaves {}.\n", human_bytes(plan.need.total()),
                                human_bytes(plan.left));
  if (plan.far_weights > 0) {
    out +=
        fmt::format("{} of its weights lie in host memory, across the bus.\n", human_bytes(plan.far_weights));
  }
  return out;
}

std::string needs(const PlanAnswer& answer) {
  const plan::Footprint& need = answer.plan.need;
  const Unit unit = unit_of(answer);
  std::string out = fmt::format("{:<30}{:>8}\n", "It needs", unit.name);
  const auto line = [&](std::string_view name, uint64_t bytes, const std::string& remark = {}) {
    out += fmt::format("  {:<28}{:>8}{}{}\n", name, unit.of(bytes), remark.empty() ? "" : "   ", remark);
  };
  const uint64_t weights = plan::parameters(answer.shape);
  const uint64_t file = plan::file_bytes(answer.shape);
  line("weights", need.weights.total(),
       fmt::format("{} weights of {:.2f} bits; {} as a file", human_count(weights),
                   weights > 0 ? 8 * static_cast<double>(file) / static_cast<double>(weights) : 0,
                   decimal(file)));
  const std::pair<const char*, plan::Part> parts[] = {
      {"  attention", plan::Part::kAttention},
      {"  feed-forward", plan::Part::kFeedForward},
      {"  experts", plan::Part::kExperts},
      {answer.shape.tied ? "  embedding and output" : "  embedding", plan::Part::kEmbedding},
      {"  output", plan::Part::kOutput},
  };
  for (const auto& [name, part] : parts) {
    if (need.weights.of(part) > 0) line(name, need.weights.of(part));
  }
  const plan::Use& use = answer.options.use;
  line(fmt::format("KV memory in {}", plan::kv_name(use.kv)), need.kv,
       fmt::format("{}{} tokens of {} bytes",
                   use.sequences > 1 ? fmt::format("{} sequences of ", use.sequences) : "", use.context,
                   plan::kv_bytes_per_token(answer.shape, use.kv)));
  line("activations", need.activations);
  if (need.kept_kv > 0)
    line("copy of the KV memory", need.kept_kv, "not counted: host memory, for --keep-kv");
  line("ring for loading", need.ring, "not counted: host memory, free again before the context grows");
  return out;
}

std::string heap_name(const plan::Topology& topology, uint32_t index) {
  return fmt::format("heap {}, {}", index, topology.heaps[index].device_local ? "device-local" : "host");
}

std::string map(const PlanAnswer& answer) {
  const Unit unit = unit_of(answer);
  std::string out =
      fmt::format("{:<22}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}\n", fmt::format("Where, in {}", unit.name), "size",
                  "reserve", "weights", "KV", "activ.", "left");
  for (const plan::HeapPlan& heap : answer.plan.heaps) {
    const uint64_t size = answer.topology.heaps[heap.heap].bytes;
    out += fmt::format("  {:<20}", heap_name(answer.topology, heap.heap));
    for (const uint64_t bytes :
         {size, size - heap.bytes, heap.weights, heap.kv, heap.activations, heap.bytes - heap.used()}) {
      out += fmt::format("{:>9}", bytes > 0 ? unit.of(bytes) : "-");
    }
    out += heap.reach == plan::Reach::kFar ? "  across the bus\n" : "\n";
  }
  for (uint32_t i = 0; i < answer.topology.heaps.size(); ++i) {
    const bool used =
        std::ranges::any_of(answer.plan.heaps, [i](const auto& heap) { return heap.heap == i; });
    if (used) continue;
    out += fmt::format("  {:<20}{:>9}   not filled{}\n", heap_name(answer.topology, i),
                       unit.of(answer.topology.heaps[i].bytes),
                       plan::is_window(answer.topology, i) ? ": a window onto the device's memory" : "");
  }
  const uint64_t one = plan::first_local_heap(answer.topology);
  if (answer.topology.heaps.size() > 1 && one > 0)
    out += fmt::format("  An engine that fills one heap stops at {} {}.\n", unit.of(one), unit.name);
  return out;
}

const char* basis_text(plan::Basis basis) {
  switch (basis) {
    case plan::Basis::kGiven:
      return "given";
    case plan::Basis::kMeasured:
      return "measured";
    case plan::Basis::kDatasheet:
      break;
  }
  return "by the datasheet";
}

std::string bus_text(const PlanAnswer& answer) {
  if (answer.plan.far_weights == 0) return {};
  return fmt::format(", and of the bus {:.4g} GB/s ({})", answer.plan.speed->bus,
                     answer.options.bus ? "measured" : "assumed");
}

std::string speeds(const PlanAnswer& answer) {
  if (!answer.plan.fits) return {};
  if (!answer.plan.speed) {
    return "Speed: the bandwidth of this memory is not known; --bandwidth GB/S says it.\n";
  }
  const plan::Speed& speed = *answer.plan.speed;
  const plan::Use& use = answer.options.use;
  std::string out = fmt::format("Decoding, if all of {:.4g} GB/s ({}) is used{}\n", speed.bandwidth,
                                basis_text(speed.basis), bus_text(answer));
  const auto line = [&](const std::string& when, double tokens, uint64_t bytes) {
    out += fmt::format("  {:<28}{:>8} tokens/s{}   {} read {}\n", when, rate(tokens),
                       use.sequences > 1 ? " each" : "", decimal(bytes),
                       use.sequences > 1 ? "for each step" : "for each token");
  };
  line("with an empty context", speed.empty, speed.weights);
  line(fmt::format("after {} tokens", use.context), speed.full, speed.weights + speed.kv);
  return out;
}

std::string contexts(const PlanAnswer& answer) {
  const auto tokens = [&](uint32_t longest) {
    if (longest == 0) return std::string("none");
    return fmt::format("{} tokens{}", longest, longest == answer.shape.context ? " (as trained)" : "");
  };
  std::string out = "Longest context that fits:";
  for (size_t i = 0; i < answer.longest.size(); ++i) {
    const auto& [kv, longest] = answer.longest[i];
    out += fmt::format("{} {} {} {}", i > 0 ? "," : "", tokens(longest), i > 0 ? "in" : "with KV in",
                       plan::kv_name(kv));
  }
  return out + "\n";
}

/// Formats that fit, or those that do not, in rows of cells.
std::string format_block(const PlanAnswer& answer, bool fitting, const char* title) {
  std::string out;
  size_t cells = 0;
  for (const plan::FormatFit& fit : answer.formats) {
    if (fit.plan.fits != fitting) continue;
    const size_t in_row = fit.plan.speed ? kRatedCells : kCells;
    out += cells % in_row > 0 ? " " : cells > 0 ? "\n " : " ";
    out += fmt::format(" {:<9}{:>9}", fmt::format("{}{}", fit.name, fit.computable ? "" : "*"),
                       decimal(fit.file_bytes));
    if (fit.plan.speed) out += fmt::format("{:>8}", rate(fit.plan.speed->empty) + "/s");
    ++cells;
  }
  return cells == 0 ? "" : fmt::format("{}\n{}\n", title, out);
}

std::string formats(const PlanAnswer& answer) {
  const bool speeds =
      std::ranges::any_of(answer.formats, [](const auto& fit) { return fit.plan.speed.has_value(); });
  std::string out =
      format_block(answer, true,
                   speeds ? "Formats that fit, with the size of a file and tokens/s with an empty context"
                          : "Formats that fit, with the size of a file") +
      format_block(answer, false, "Formats that do not fit");
  if (std::ranges::any_of(answer.formats, [](const auto& fit) { return !fit.computable; }))
    out += "  * this version cannot compute with it yet\n";
  return out;
}

std::string what_would(const PlanAnswer& answer) {
  if (answer.plan.fits) return {};
  std::string out = "What would fit\n";
  for (const std::string& remedy : answer.remedies) out += fmt::format("  {}\n", remedy);
  if (answer.topology.type == plan::DeviceType::kIntegrated) {
    out += "  more memory for the GPU: on Linux, 'caldera doctor' says how much this machine could give\n";
  } else if (answer.remedies.empty()) {
    out += "  nothing less than another model is known\n";
  }
  return out;
}

std::string notes(const PlanAnswer& answer) {
  std::string out;
  if (!answer.not_computed_yet.empty()) {
    out += fmt::format("This version cannot run it yet: it lacks {}.\n",
                       escape(fmt::format("{}", fmt::join(answer.not_computed_yet, ", "))));
  }
  if (answer.options.use.context > answer.shape.context) {
    out += fmt::format("Its positions reach {} tokens: beyond that it needs --rope-scaling yarn.\n",
                       answer.shape.context);
  }
  return out;
}

}  // namespace

std::string plan_text(const PlanAnswer& answer) {
  const plan::Topology& topology = answer.topology;
  std::string out = fmt::format("{} on {}\n", escape(answer.shape.name), escape(topology.name));
  if (!topology.machine.empty() && topology.machine != topology.name)
    out += fmt::format("({})\n", escape(topology.machine));
  for (const std::string& block : {verdict(answer) + notes(answer), needs(answer), map(answer),
                                   speeds(answer) + contexts(answer), what_would(answer), formats(answer)}) {
    if (!block.empty()) out += "\n" + block;
  }
  return out;
}

std::string plan_list_text() {
  std::string out = "Topologies, for --on (heaps in GiB, device-local ones with a star)\n";
  for (const plan::Topology& topology : plan::topologies()) {
    std::vector<std::string> heaps;
    for (const plan::Heap& heap : topology.heaps)
      heaps.push_back(fmt::format("{:.2f}{}", gib(heap.bytes), heap.device_local ? "*" : ""));
    out += fmt::format("  {:<32}{:<20}{}\n", topology.name, fmt::format("{}", fmt::join(heaps, " ")),
                       shorten(topology.machine, 80));
  }
  out += "\nModels, to be followed by : and a format (weights, layers, trained context)\n";
  for (const plan::Family& family : plan::families()) {
    const plan::ModelShape shape = plan::shape_named(fmt::format("{}:q8_0", family.name));
    out += fmt::format("  {:<18}{:>9}{:>6} layers{:>8} tokens\n", family.name,
                       human_count(plan::parameters(shape)), family.layers, family.context);
  }
  out += "\nFormats\n ";
  for (size_t i = 0; i < plan::mixtures().size(); ++i)
    out += fmt::format("{} {}", i > 0 && i % 12 == 0 ? "\n " : "", plan::mixtures()[i].name);
  return out +
         "\n\nFor example: caldera plan llama-3.1-405b:iq1_s --on flow-z13-linux-gtt96 --context 32768\n";
}

}  // namespace caldera::cli

#include "cli/context_options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "caldera/error.hpp"
#include "cli/parse.hpp"
#include "engine/device_topology.hpp"
#include "gguf/file.hpp"
#include "model/plan_shape.hpp"
#include "model/spec.hpp"
#include "plan/plan.hpp"

namespace caldera::cli {
namespace {

constexpr float kMostFactor = 1024;
/// Room for an answer, in what is recommended.
constexpr size_t kAnswer = 1024;

/// The longest context that memory holds, up to `wanted`; nothing where that cannot be said.
std::optional<uint32_t> longest_that_fits(uint32_t wanted, const std::string& path,
                                          const LoadOptions& options) {
  try {
    const plan::ModelShape shape = model::plan_shape(gguf::File::open(path));
    plan::Topology topology = engine::device_topology(options.device);
    for (plan::Heap& heap : topology.heaps) heap.budget.reset();  // the model is loaded, and counted in it
    plan::Options use;
    use.use = {.context = wanted, .sequences = options.sequences, .prefill_rows = options.prefill_rows};
    use.memory_limit = options.memory_limit;
    return plan::longest_context(shape, topology, use, options.kv);
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace

void declare_context_options(CLI::App& app, LoadOptions& options) {
  app.add_option_function<std::string>(
      "-c,--context",
      [&options](const std::string& text) {
        options.context = static_cast<uint32_t>(parse_integer("--context", text, 1, model::kMaxContext));
      },
      "Most tokens of prompt and answer together (default: the model's own)");
  static const std::map<std::string, PositionScaling> kScalings = {{"file", PositionScaling::kAsFile},
                                                                   {"none", PositionScaling::kNone},
                                                                   {"linear", PositionScaling::kLinear},
                                                                   {"yarn", PositionScaling::kYarn}};
  app.add_option_function<std::string>(
         "--rope-scaling",
         [&options](const std::string& text) { options.position_scaling = kScalings.at(text); },
         "How positions are stretched for a context longer than the model was trained for: yarn, linear, "
         "none, or as the file says (file, the default)")
      ->check(CLI::IsMember({"file", "none", "linear", "yarn"}));
  app.add_option_function<std::string>(
      "--rope-factor",
      [&options](const std::string& text) {
        options.position_factor = static_cast<double>(parse_number("--rope-factor", text, 1, kMostFactor));
      },
      "How many times longer, with --rope-scaling yarn or linear (default: what --context needs)");
}

std::string context_warning(const ModelInfo& info, uint32_t context) {
  if (context <= info.scaled_context) return {};
  return fmt::format(
      "warning: the model's positions reach {} tokens, and a context of {} may become nonsense "
      "beyond: --rope-scaling yarn stretches them",
      info.scaled_context, context);
}

std::string too_long(size_t tokens, const Model& model, const std::string& path, const LoadOptions& options) {
  const uint32_t context = model.context();
  std::string text =
      tokens > context ? fmt::format("the prompt is {} tokens, {} more than the context of {} holds", tokens,
                                     tokens - context, context)
                       : fmt::format("the prompt is {} tokens and fills the context of {}", tokens, context);
  const auto wanted =
      static_cast<uint32_t>(std::min<size_t>((tokens + kAnswer + 1023) / 1024 * 1024, model::kMaxContext));
  const std::optional<uint32_t> longest =
      tokens < wanted ? longest_that_fits(wanted, path, options) : std::nullopt;
  if (!longest) return text + ": shorten it, or raise --context";
  const auto stretched = [&](uint32_t to) {
    return to > model.info().scaled_context ? fmt::format("{} --rope-scaling yarn", to)
                                            : fmt::format("{}", to);
  };
  if (*longest >= wanted)
    return text + fmt::format(": --context {} would hold it and an answer", stretched(wanted));
  if (*longest > tokens) return text + fmt::format(": --context {} would just hold it", stretched(*longest));
  return text +
         fmt::format(": shorten it to what memory holds, --context {}, or see 'caldera plan'", *longest);
}

}  // namespace caldera::cli

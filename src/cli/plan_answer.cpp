#include "cli/plan_answer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "model/spec.hpp"

namespace caldera::cli {
namespace {

/// Weights in formats without kernels, architectures that are not known, KV memory in formats that its heads
/// do not allow.
std::vector<std::string> not_computed_yet(const plan::ModelShape& shape, const plan::Use& use) {
  std::vector<std::string> list;
  const bool known = std::ranges::any_of(
      model::architectures(), [&](const model::Architecture& one) { return one.name == shape.architecture; });
  if (!known) list.push_back("the architecture " + shape.architecture);
  std::set<std::string> formats;
  for (const plan::TensorShape& tensor : shape.tensors) {
    if (!tensor.format.format && formats.insert(tensor.format.name).second)
      list.push_back("weights in " + tensor.format.name);
  }
  const uint32_t head = plan::head_against(shape, use.kv);
  if (head > 0)
    list.push_back(fmt::format("KV memory in {} for attention heads of {}", plan::kv_name(use.kv), head));
  return list;
}

}  // namespace

PlanAnswer answer_plan(plan::ModelShape shape, plan::Topology topology, plan::Options options) {
  PlanAnswer answer;
  if (options.use.context == 0) options.use.context = std::min(shape.context, plan::kUsualContext);
  answer.plan = plan::make_plan(shape, topology, options);
  for (const plan::KvFormat kv : plan::kKvFormats) {
    if (plan::head_against(shape, kv) > 0) continue;
    answer.longest.emplace_back(kv, plan::longest_context(shape, topology, options, kv));
  }
  answer.formats = plan::each_format(shape, topology, options);
  if (!answer.plan.fits) answer.remedies = plan::remedies(shape, topology, options);
  answer.not_computed_yet = not_computed_yet(shape, options.use);
  answer.shape = std::move(shape);
  answer.topology = std::move(topology);
  answer.options = options;
  return answer;
}

}  // namespace caldera::cli

#include "cli/plan_answer.hpp"
#include "plan/families.hpp"
#include "plan/mixtures.hpp"
#include "plan/topology_table.hpp"

namespace caldera::cli {
namespace {

using Json = nlohmann::ordered_json;

const char* name_of(plan::DeviceType type) {
  switch (type) {
    case plan::DeviceType::kIntegrated:
      return "integrated";
    case plan::DeviceType::kDiscrete:
      return "discrete";
    case plan::DeviceType::kVirtual:
      return "virtual";
    case plan::DeviceType::kCpu:
      return "cpu";
    case plan::DeviceType::kOther:
      break;
  }
  return "other";
}

Json model_json(const plan::ModelShape& shape) {
  return {{"name", shape.name},
          {"architecture", shape.architecture},
          {"parameters", plan::parameters(shape)},
          {"file_bytes", plan::file_bytes(shape)},
          {"layers", shape.layers.size()},
          {"width", shape.width},
          {"vocabulary", shape.vocabulary},
          {"trained_context", shape.context}};
}

Json topology_json(const plan::Topology& topology) {
  Json heaps = Json::array();
  for (const plan::Heap& heap : topology.heaps) {
    heaps.push_back({{"bytes", heap.bytes},
                     {"device_local", heap.device_local},
                     {"budget", heap.budget ? Json(*heap.budget) : Json()}});
  }
  return {{"name", topology.name},
          {"machine", topology.machine},
          {"device_type", name_of(topology.type)},
          {"unified", topology.unified()},
          {"heaps", std::move(heaps)},
          {"first_local_heap_bytes", plan::first_local_heap(topology)}};
}

Json needs_json(const PlanAnswer& answer) {
  const plan::Footprint& need = answer.plan.need;
  const auto of = [&](plan::Part part) { return need.weights.of(part); };
  return {{"weights", need.weights.total()},
          {"weights_by_part",
           {{"embedding", of(plan::Part::kEmbedding)},
            {"attention", of(plan::Part::kAttention)},
            {"feed_forward", of(plan::Part::kFeedForward)},
            {"experts", of(plan::Part::kExperts)},
            {"output", of(plan::Part::kOutput)},
            {"vectors", of(plan::Part::kVectors)}}},
          {"kv", need.kv},
          {"kv_per_token", plan::kv_bytes_per_token(answer.shape, answer.options.use.kv)},
          {"activations", need.activations},
          {"ring", need.ring},
          {"kept_kv", need.kept_kv},
          {"total", need.total()}};
}

const char* name_of(plan::Basis basis) {
  switch (basis) {
    case plan::Basis::kGiven:
      return "given";
    case plan::Basis::kMeasured:
      return "measured";
    case plan::Basis::kDatasheet:
      break;
  }
  return "datasheet";
}

Json speed_json(const plan::Plan& plan) {
  if (!plan.speed) return {};
  const plan::Speed& speed = *plan.speed;
  return {{"bandwidth_gb_s", speed.bandwidth},
          {"basis", name_of(speed.basis)},
          {"bus_gb_s", speed.bus},
          {"weights_read", speed.weights},
          {"far_weights_read", speed.far},
          {"kv_read_at_full_context", speed.kv},
          {"tokens_per_second_empty", speed.empty},
          {"tokens_per_second_full", speed.full}};
}

}  // namespace

Json plan_json(const PlanAnswer& answer) {
  Json heaps = Json::array();
  for (const plan::HeapPlan& heap : answer.plan.heaps) {
    heaps.push_back({{"heap", heap.heap},
                     {"near", heap.reach == plan::Reach::kNear},
                     {"usable", heap.bytes},
                     {"weights", heap.weights},
                     {"kv", heap.kv},
                     {"activations", heap.activations},
                     {"left", heap.bytes - heap.used()}});
  }
  Json formats = Json::array();
  for (const plan::FormatFit& fit : answer.formats) {
    formats.push_back({{"name", fit.name},
                       {"file_bytes", fit.file_bytes},
                       {"computable", fit.computable},
                       {"total", fit.plan.need.total()},
                       {"fits", fit.plan.fits},
                       {"left", fit.plan.left},
                       {"missing", fit.plan.missing},
                       {"speed", speed_json(fit.plan)}});
  }
  Json longest = Json::object();
  for (const auto& [kv, tokens] : answer.longest) longest[std::string(plan::kv_name(kv))] = tokens;
  const plan::Use& use = answer.options.use;
  return {{"model", model_json(answer.shape)},
          {"topology", topology_json(answer.topology)},
          {"use",
           {{"context", use.context},
            {"kv", plan::kv_name(use.kv)},
            {"kv_keys", plan::kv_name(use.kv.keys)},
            {"kv_values", plan::kv_name(use.kv.values)},
            {"sequences", use.sequences},
            {"memory_limit", answer.options.memory_limit}}},
          {"needs", needs_json(answer)},
          {"fits", answer.plan.fits},
          {"left", answer.plan.left},
          {"missing", answer.plan.missing},
          {"far_weights", answer.plan.far_weights},
          {"heaps", std::move(heaps)},
          {"speed", speed_json(answer.plan)},
          {"longest_context", std::move(longest)},
          {"formats", std::move(formats)},
          {"remedies", answer.remedies},
          {"not_computed_yet", answer.not_computed_yet}};
}

Json plan_list_json() {
  Json topologies = Json::array();
  for (const plan::Topology& topology : plan::topologies()) topologies.push_back(topology_json(topology));
  Json models = Json::array();
  for (const plan::Family& family : plan::families()) {
    const plan::ModelShape shape = plan::shape_named(std::string(family.name) + ":q8_0");
    models.push_back({{"name", family.name},
                      {"architecture", family.architecture},
                      {"parameters", plan::parameters(shape)},
                      {"layers", family.layers},
                      {"width", family.width},
                      {"vocabulary", family.vocabulary},
                      {"trained_context", family.context}});
  }
  Json formats = Json::array();
  for (const plan::Mixture& mixture : plan::mixtures()) formats.push_back(mixture.name);
  return {
      {"topologies", std::move(topologies)}, {"models", std::move(models)}, {"formats", std::move(formats)}};
}

}  // namespace caldera::cli

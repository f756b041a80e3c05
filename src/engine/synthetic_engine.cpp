#include "engine/synthetic_engine.hpp"

#include "caldera/error.hpp"
#include "engine/device_topology.hpp"
#include "model/synthetic.hpp"
#include "plan/plan.hpp"

namespace caldera::engine {

void demand_fit(const plan::ModelShape& shape, const LoadOptions& load) {
  model::demand_computable(shape);
  const plan::Topology topology = device_topology(load.device);
  plan::Options options;
  options.use = {
      .context = load.context, .sequences = load.sequences, .prefill_rows = load.prefill_rows, .kv = load.kv};
  options.memory_limit = load.memory_limit;
  if (!plan::make_plan(shape, topology, options).fits) {
    throw Error(ErrorKind::kMemory, plan::why_not(shape, topology, options));
  }
}

std::unique_ptr<Engine> synthetic_engine(const plan::ModelShape& shape, const LoadOptions& load) {
  const model::ModelSpec spec = model::spec_of(shape);
  return std::make_unique<Engine>(
      spec, load, [=](vulkan::Device& device, const model::LoadCallback& progress) {
        return model::synthesize(shape, device, progress, context_room(spec, load, device.physical()));
      });
}

}  // namespace caldera::engine

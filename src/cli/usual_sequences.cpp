#include "cli/usual_sequences.hpp"

#include <algorithm>

#include "caldera/error.hpp"
#include "engine/device_topology.hpp"
#include "gguf/file.hpp"
#include "hub/model_folder.hpp"
#include "model/plan_shape.hpp"
#include "plan/limits.hpp"
#include "plan/plan.hpp"

namespace caldera::cli {
namespace {

constexpr uint32_t kOfBox = 16;
constexpr uint32_t kOfSoftware = 8;

}  // namespace

uint32_t usual_sequences(const std::string& model, const LoadOptions& options) {
  try {
    const plan::ModelShape shape = model::plan_shape(gguf::File::open(hub::find_model(model)));
    const plan::Topology topology = engine::device_topology(options.device);
    plan::Options use;
    use.use.context = options.context > 0 ? options.context : std::min(shape.context, plan::kUsualContext);
    use.use.prefill_rows = options.prefill_rows;
    use.use.kv = options.kv;
    use.memory_limit = options.memory_limit;
    const uint32_t most = topology.type == plan::DeviceType::kCpu ? kOfSoftware : kOfBox;
    for (use.use.sequences = most; use.use.sequences > kLeastUsualSequences; use.use.sequences /= 2) {
      const plan::Plan plan = plan::make_plan(shape, topology, use);
      if (plan.fits && plan.far_weights == 0) return use.use.sequences;
    }
  } catch (const Error&) {  // loading says it better
  }
  return kLeastUsualSequences;
}

}  // namespace caldera::cli

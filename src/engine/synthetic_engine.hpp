// An engine whose weights are made up.
#pragma once

#include <memory>

#include "engine/engine.hpp"
#include "plan/model_shape.hpp"

namespace caldera::engine {

/// Errors: kUnsupported (see model::demand_computable); kMemory, in the planner's words, when the model does
/// not fit the chosen device.
void demand_fit(const plan::ModelShape& shape, const LoadOptions& load);

/// Errors: kMemory, kUnsupported, kDevice; kUsage when cancelled.
std::unique_ptr<Engine> synthetic_engine(const plan::ModelShape& shape, const LoadOptions& load);

}  // namespace caldera::engine

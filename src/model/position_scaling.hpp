// Contexts longer than a model was trained for: how its rotary angles are stretched when a user asks for it.
#pragma once

#include <cstdint>

#include "caldera/model.hpp"
#include "model/spec.hpp"

namespace caldera::model {

/// The tokens that the model was trained for before anything stretched its positions.
uint32_t trained_context(const ModelSpec& spec);

/// Makes the spec's positions reach as `how` says; spec.context is what they reach afterwards. `factor` 0: as
/// many times the trained context as `context` (0: the file's) is, at least once, or the file's own factor
/// where it scales the same way and reaches far enough. Errors: kUsage when there is nothing to stretch to,
/// or no sense in the factor.
void scale_positions(ModelSpec& spec, PositionScaling how, double factor, uint32_t context);

}  // namespace caldera::model

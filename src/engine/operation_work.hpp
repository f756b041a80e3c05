// The work of a model's operations, by their shapes.
#pragma once

#include <span>
#include <vector>

#include "engine/work.hpp"
#include "model/passes.hpp"

namespace caldera::engine {

OperationWork work_of(const model::Operation& operation);
std::vector<OperationWork> work_of(std::span<const model::Operation* const> operations);

}  // namespace caldera::engine

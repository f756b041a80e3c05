// The steps and notes that make more memory of the same machine.
#pragma once

#include "cli/diagnosis.hpp"

namespace caldera::cli {

/// Adds to `diagnosis.steps` and `.notes`, from `machine` and the capacity found.
void advise_on_memory(const machine::Machine& machine, Diagnosis& diagnosis);

}  // namespace caldera::cli

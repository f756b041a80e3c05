// Which sampling options are possible.
#pragma once

#include "caldera/session.hpp"

namespace caldera::engine {

/// Errors: kUsage.
void check_sampling(const SamplingOptions& options);

/// For who gives none.
uint64_t random_seed();

}  // namespace caldera::engine

// Tokens, the units that a model reads and writes.
#pragma once

#include <cstdint>

namespace caldera {

/// An index into a model's vocabulary.
using Token = int32_t;

}  // namespace caldera

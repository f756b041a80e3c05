// What tuning tells of a model's products.
#pragma once

#include <cstdint>

#include "kernels/product_choice.hpp"

namespace caldera::kernels {

/// What tuning came to for one key.
struct TunedProduct {
  ProductKey key;
  ProductChoice choice;
  uint32_t products = 0;  ///< of this key in a step
  uint64_t bytes = 0;     ///< of one product's weights
  uint32_t tried = 0;     ///< choices that were timed; 0: it was remembered, or the time was up
  bool remembered = false;
  double seconds = 0;        ///< of one product, with the barrier after it; 0: not known
  double usual_seconds = 0;  ///< with the choice of a device that nobody tuned for; 0: not known
};

}  // namespace caldera::kernels

// Which choices are worth trying for a product of int8 vectors on a device.
#pragma once

#include <vector>

#include "kernels/product_choice.hpp"

namespace caldera::kernels {

/// Whether the kernel can be made of `choice` for products of this key: workgroups that the device has, of as
/// many rows as the key demands, and sums and loads that stay in registers.
bool possible(const ProductChoice& choice, const ProductKey& key, const WorkgroupLimits& limits);

/// What is taken on a device that nobody tuned for.
ProductChoice usual_choice(const ProductKey& key, const WorkgroupLimits& limits);

/// Every possible choice of the values that are worth trying: a hundred or so, fewer for several vectors.
std::vector<ProductChoice> candidates(const ProductKey& key, const WorkgroupLimits& limits);

/// Those of candidates() that differ from `from` in one value (where the key demands rows, in `passes`
/// too, which then follow from the others), nearest values first: what a search looks at next.
std::vector<ProductChoice> neighbours(const ProductChoice& from, const ProductKey& key,
                                      const WorkgroupLimits& limits);

}  // namespace caldera::kernels

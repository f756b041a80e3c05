// Finding out how the products of int8 vectors of a model run fastest on a device.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <set>
#include <span>
#include <vector>

#include "kernels/kernels.hpp"
#include "kernels/product_memory.hpp"
#include "kernels/tuned_product.hpp"
#include "vulkan/device.hpp"

namespace caldera::kernels {

struct TuneOptions {
  /// When to stop looking, and to be content with what was found.
  std::chrono::duration<double> budget{1.8};
  /// Weights that a candidate goes through, so that no cache serves them: several times the largest of today.
  /// What the model has, if that is less.
  uint64_t bytes = uint64_t{256} << 20;
  bool again = false;  ///< also what is remembered
  /// Records the beginning of a step, layers that read about `bytes` of weights, with the choices of now, and
  /// says of which keys there are products in it. Not there: each product is judged alone.
  std::function<std::set<ProductKey>(vulkan::Recording& recording, uint64_t bytes)> step;
  /// Also where int8 vectors are not what the device is best at: for tests.
  bool any_device = false;
};

/// Chooses, for every product of int8 vectors among `products` when it is of `vectors` of them: what is
/// remembered in `memory` (a file, see product_memory_file()), and for the rest what is fastest as timed on
/// the device with the weights themselves, those first that take most of a step. What is found is remembered.
/// From the usual choice it goes on to neighbours for as long as one is faster; pipelines are compiled by all
/// cores meanwhile. In the end those that were nearly as fast are tried among the other products, in the
/// order of `products`, which is that of a step.
///
/// Nothing is done on a device that does not prefer int8 vectors. Never an error: where timing fails (out of
/// memory, say) the usual choice stays. The device must be idle. What is recorded
/// already stays as it is.
std::vector<TunedProduct> tune(vulkan::Device& device, Kernels& kernels, std::span<const Product> products,
                               uint32_t vectors, const std::filesystem::path& memory,
                               const TuneOptions& options = {});

}  // namespace caldera::kernels

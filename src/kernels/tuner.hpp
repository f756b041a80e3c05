// Finding out how the products of int8 vectors of a model run fastest on a device.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "kernels/kernels.hpp"
#include "kernels/product_memory.hpp"
#include "vulkan/device.hpp"

namespace caldera::kernels {

struct TuneOptions {
  /// When to stop looking, and to be content with what was found.
  std::chrono::duration<double> budget{1.8};
  /// Weights that a candidate goes through, so that no cache serves them: several times the largest of today.
  /// What the model has, if that is less.
  uint64_t bytes = uint64_t{256} << 20;
  bool again = false;  ///< also what is remembered
  /// Also where int8 vectors are not what the device is best at: for tests.
  bool any_device = false;
};

/// What tuning came to for one key.
struct TunedProduct {
  ProductKey key;
  ProductChoice choice;
  uint32_t products = 0;  ///< of this key in the list
  uint64_t bytes = 0;     ///< of one product's weights
  uint32_t tried = 0;     ///< choices that were timed; 0: it was remembered, or the time was up
  bool remembered = false;
  double seconds = 0;        ///< of one product, with the barrier after it; 0: not known
  double usual_seconds = 0;  ///< with the choice of a device that nobody tuned for; 0: not known
};

/// Chooses, for every product of int8 vectors among `products` when it is of `vectors` of them: what is
/// remembered in `memory` (a file, see product_memory_file()), and for the rest what is fastest as timed on
/// the device with the weights themselves, those first that take most of a step. What is found is remembered.
/// From the usual choice it goes on to neighbours for as long as one is faster; pipelines are compiled by all
/// cores meanwhile.
///
/// Nothing is done on a device that does not prefer int8 vectors. Never an error: where timing fails (out of
/// memory, say) the usual choice stays. The device must be idle, and none of the products recorded yet.
std::vector<TunedProduct> tune(vulkan::Device& device, Kernels& kernels, std::span<const Product> products,
                               uint32_t vectors, const std::filesystem::path& memory,
                               const TuneOptions& options = {});

}  // namespace caldera::kernels

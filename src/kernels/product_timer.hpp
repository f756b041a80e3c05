// Timing products of int8 vectors on the device, as decoding runs them: one after the other.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "kernels/kernels.hpp"
#include "vulkan/device.hpp"
#include "vulkan/stopwatch.hpp"

namespace caldera::kernels {

/// Seconds that what `record` records takes: the mean of `runs` in a row, or of as many more if that is less.
/// What is slower than `enough` the first time is not run again. Errors: kDevice, kMemory.
double seconds_of(vulkan::Device& device, const vulkan::Stopwatch& stopwatch,
                  const std::function<void(vulkan::Recording& recording)>& record, int runs, double enough);

/// Bytes of weights that a matrix is.
uint64_t weight_bytes(const Matrix& matrix);

/// Products of one key, with different weights, so that no cache serves them. Their weights (and `norm`) are
/// what is read; activations and results are memory of the timer's own, so a model's are left alone.
class ProductTimer {
 public:
  /// The matrices of `products` must live as long as the timer. Errors: kMemory.
  ProductTimer(vulkan::Device& device, Kernels& kernels, std::span<const Product> products, uint32_t columns);

  const ProductKey& key() const { return key_; }
  const std::vector<Product>& products() const { return products_; }
  uint64_t bytes() const { return bytes_; }  ///< of the weights of all products

  /// Seconds that all products take with `choice`, with a barrier after each, as seconds_of() finds them. The
  /// kernels keep the choice. Errors: kDevice, kMemory.
  double seconds(const ProductChoice& choice, int runs, double enough = 1e9);

 private:
  vulkan::Device& device_;
  Kernels& kernels_;
  vulkan::Stopwatch stopwatch_;
  ProductKey key_;
  uint32_t columns_;
  uint64_t bytes_ = 0;
  std::vector<Product> products_;
  vulkan::Allocation batch_;
  vulkan::Allocation x_;
  vulkan::Allocation out_;
  vulkan::Allocation out_int8_;
};

}  // namespace caldera::kernels

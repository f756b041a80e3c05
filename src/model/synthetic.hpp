// Weights that no file holds: a model's shape in device memory, filled with random numbers, to measure speed.
#pragma once

#include "model/placer.hpp"
#include "plan/model_shape.hpp"
#include "vulkan/device.hpp"

namespace caldera::model {

/// Everything that load_weights() would copy from a file of this shape, laid out alike. Matrices hold random
/// numbers of variance 1 / columns, so that activations stay finite through any number of layers; a few MiB
/// of rows of each format and width are made on the host, and repeated by the device. Norms are 1 and biases
/// 0. Where a tensor has several formats, they are spread evenly over the layers. `progress` counts bytes of
/// device memory. Errors: kUnsupported (a format that we cannot compute with, with those we can), kMemory,
/// kUsage when cancelled.
Weights synthesize(const plan::ModelShape& shape, vulkan::Device& device, const LoadCallback& progress,
                   const ContextRoom& context = {});

/// Random weights in the file's layout: uniform, of variance 1 / columns, so that a product neither grows nor
/// shrinks what it is given; `rows` * bytes_for(format, columns) bytes.
std::vector<std::byte> random_rows(quant::Format format, uint64_t columns, uint64_t rows, uint32_t seed);

/// Errors: kUnsupported, as synthesize(), before anything is allocated.
void demand_computable(const plan::ModelShape& shape);

}  // namespace caldera::model

#include "plan/model_shape.hpp"

namespace caldera::plan {

uint64_t parameters(const ModelShape& shape) {
  uint64_t sum = 0;
  for (const TensorShape& tensor : shape.tensors) sum += tensor.rows * tensor.columns * tensor.count;
  return sum;
}

}  // namespace caldera::plan

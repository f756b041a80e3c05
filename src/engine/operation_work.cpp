#include "engine/operation_work.hpp"

#include <type_traits>
#include <variant>

namespace caldera::engine {
namespace {

/// What reading a byte of weights counts beside a multiply-add. GPUs multiply tens of numbers in that time,
/// and software devices less than one. It only weighs the matrices of one pass against each other: how fast
/// the pass is, is learned.
constexpr double kByte = 4;
/// What a number that is read, changed and written counts.
constexpr double kElement = 16;

OperationWork attention(const kernels::AttentionShape& shape) {
  OperationWork work;
  work.per_column = kElement * (shape.heads + 2.0 * shape.kv_heads) * shape.head;
  work.per_key = 2.0 * shape.heads * shape.head;
  work.window = shape.window;
  work.heavy = true;
  return work;
}

}  // namespace

OperationWork work_of(const model::Operation& operation) {
  return std::visit(
      [](const auto& op) -> OperationWork {
        using Op = std::decay_t<decltype(op)>;
        OperationWork work;
        if constexpr (std::is_same_v<Op, kernels::Product>) {
          const kernels::Matrix& weights = *op.weights;
          work.fixed = kByte * weights.rows * static_cast<double>(weights.layout.row_bytes);
          work.per_column = static_cast<double>(weights.rows) * weights.columns;
          work.heavy = true;
        } else if constexpr (std::is_same_v<Op, kernels::Attention>) {
          work = attention(op.shape);
        } else if constexpr (std::is_same_v<Op, kernels::DecodeAttention>) {
          work = attention(op.rope.shape);
        } else if constexpr (std::is_same_v<Op, kernels::Rope>) {
          work.per_column = kElement * (op.shape.heads + 2.0 * op.shape.kv_heads) * op.shape.head;
        } else if constexpr (std::is_same_v<Op, kernels::Sample>) {
          work.per_column = kElement * op.vocabulary;
        } else if constexpr (std::is_same_v<Op, kernels::Embed>) {
          work.per_column = kElement * op.table->columns;
        } else {
          work.per_column = kElement * op.width;
        }
        return work;
      },
      operation);
}

std::vector<OperationWork> work_of(std::span<const model::Operation* const> operations) {
  std::vector<OperationWork> work;
  work.reserve(operations.size());
  for (const model::Operation* operation : operations) work.push_back(work_of(*operation));
  return work;
}

}  // namespace caldera::engine

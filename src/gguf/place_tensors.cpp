#include "gguf/place_tensors.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <string_view>
#include <unordered_set>

#include "gguf/printable.hpp"
#include "quant/gguf_types.hpp"

namespace caldera::gguf {
namespace {

constexpr uint64_t kMaxNameLength = 1024;
constexpr uint32_t kMaxDimensions = 4;
constexpr uint64_t kMaxSize = std::numeric_limits<int64_t>::max();  // of a file, and so of anything in it

/// a * b; an Error if that is more than a file can hold.
uint64_t checked_product(const Cursor& cursor, uint64_t a, uint64_t b) {
  if (a != 0 && b > kMaxSize / a) cursor.fail("its size overflows 63 bits: the file is damaged");
  return a * b;
}

/// The bytes that the tensor takes; 0 if its type's layout is not known.
uint64_t size_of(const Cursor& cursor, const Tensor& tensor) {
  uint64_t elements = 1;
  for (const uint64_t dimension : tensor.shape) elements = checked_product(cursor, elements, dimension);
  const auto type = quant::gguf_type(tensor.type);
  if (!type || type->block_elements == 0) return 0;
  if (tensor.columns() % type->block_elements != 0) {
    cursor.fail(
        fmt::format("its rows of {} weights are no whole number of {}'s blocks of {}: the file is damaged",
                    tensor.columns(), type->name, type->block_elements));
  }
  return checked_product(cursor, elements / type->block_elements, type->block_bytes);
}

Tensor parse_tensor(Cursor& cursor) {
  Tensor tensor{};
  tensor.name = cursor.string(kMaxNameLength);
  if (tensor.name.empty()) cursor.fail("a tensor has no name: the file is damaged");
  cursor.set_context("tensor " + quote(tensor.name));
  const auto dimensions = cursor.number<uint32_t>();
  if (dimensions == 0 || dimensions > kMaxDimensions) {
    cursor.fail(
        fmt::format("it has {} dimensions, not 1 to {}: the file is damaged", dimensions, kMaxDimensions));
  }
  for (uint32_t d = 0; d < dimensions; ++d) {
    tensor.shape.push_back(cursor.number<uint64_t>());
    if (tensor.shape.back() == 0) cursor.fail("one of its dimensions is 0: the file is damaged");
  }
  tensor.type = cursor.number<uint32_t>();
  tensor.offset = cursor.number<uint64_t>();
  tensor.bytes = size_of(cursor, tensor);
  return tensor;
}

[[noreturn]] void fail_short(const Cursor& cursor, const Tensor& tensor, uint64_t file_bytes) {
  cursor.fail(fmt::format(
      "the file is truncated: tensor {}, which starts at byte {}, ends beyond its {} bytes; fetch it "
      "again",
      quote(tensor.name), tensor.offset, file_bytes));
}

}  // namespace

std::vector<Tensor> parse_tensors(Cursor& cursor, uint64_t count) {
  std::vector<Tensor> tensors;
  tensors.reserve(count);  // no entry moves: `names` points into them
  std::unordered_set<std::string_view> names;
  for (uint64_t i = 0; i < count; ++i) {
    cursor.set_context(fmt::format("tensor {} of {}", i + 1, count));
    tensors.push_back(parse_tensor(cursor));
    if (!names.insert(tensors.back().name).second) {
      cursor.fail("there are two tensors of this name: the file is damaged");
    }
  }
  return tensors;
}

void place_tensors(const Cursor& cursor, uint64_t alignment, uint64_t file_bytes,
                   std::vector<Tensor>& tensors) {
  const uint64_t data = (cursor.offset() + alignment - 1) / alignment * alignment;
  std::vector<Tensor*> order;
  for (Tensor& tensor : tensors) {
    if (tensor.offset % alignment != 0) {
      cursor.fail(
          fmt::format("tensor {} lies at {}, which is no multiple of the alignment {}: the file is damaged",
                      quote(tensor.name), tensor.offset, alignment));
    }
    if (tensor.offset > kMaxSize - data) {
      cursor.fail(fmt::format("the offset {} of tensor {} overflows 63 bits: the file is damaged",
                              tensor.offset, quote(tensor.name)));
    }
    tensor.offset += data;
    order.push_back(&tensor);
  }
  std::ranges::stable_sort(order, {}, &Tensor::offset);
  for (size_t i = 0; i < order.size(); ++i) {
    Tensor& tensor = *order[i];
    if (tensor.offset >= file_bytes) fail_short(cursor, tensor, file_bytes);
    const bool last = i + 1 == order.size();
    if (tensor.bytes == 0) tensor.bytes = (last ? file_bytes : order[i + 1]->offset) - tensor.offset;
    if (tensor.bytes > file_bytes - tensor.offset) fail_short(cursor, tensor, file_bytes);
    if (!last && (tensor.bytes == 0 || tensor.bytes > order[i + 1]->offset - tensor.offset)) {
      cursor.fail(fmt::format("tensors {} and {} overlap: the file is damaged", quote(tensor.name),
                              quote(order[i + 1]->name)));
    }
  }
}

}  // namespace caldera::gguf

#include "simulated/accounts.hpp"

#include <algorithm>

namespace caldera::simulated {

void Accounts::open(const ShownDevice& shown) {
  const std::scoped_lock lock(mutex_);
  shown_ = shown;
  used_.assign(shown.topology.heaps.size(), 0);
  imported_ = 0;
  live_ = 0;
  pieces_.clear();
  set_as_shown();
}

void Accounts::reset() {
  const std::scoped_lock lock(mutex_);
  set_as_shown();
}

void Accounts::set_as_shown() {
  budgets_.clear();
  for (const plan::Heap& heap : shown_.topology.heaps) budgets_.push_back(heap.budget.value_or(heap.bytes));
  enforce_budget_ = shown_.enforce_budget;
  refuse_imports_ = shown_.refuse_imports;
  total_ = 0;
  largest_ = 0;
  allocation_fault_ = {};
  losses_ = {};
  set_loss(shown_.loss);
}

VkResult Accounts::take(const Piece& piece) {
  const std::scoped_lock lock(mutex_);
  largest_ = std::max(largest_, piece.bytes);
  if (allocation_fault_.strikes()) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
  if (live_ >= shown_.max_allocations) return VK_ERROR_TOO_MANY_OBJECTS;
  if (piece.bytes > shown_.topology.max_allocation) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
  if (piece.imported) {
    if (refuse_imports_) return VK_ERROR_INVALID_EXTERNAL_HANDLE;
    imported_ += piece.bytes;
  } else {
    uint64_t& used = used_[piece.heap];
    // Sizes come from the caller: subtract from what is known, so that no sum can wrap.
    if (piece.bytes > shown_.topology.heaps[piece.heap].bytes - used) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    if (enforce_budget_ && used + piece.bytes > budgets_[piece.heap]) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    used += piece.bytes;
  }
  ++live_;
  ++total_;
  return VK_SUCCESS;
}

void Accounts::take_back(const Piece& piece) {
  const std::scoped_lock lock(mutex_);
  (piece.imported ? imported_ : used_[piece.heap]) -= piece.bytes;
  --live_;
}

void Accounts::remember(VkDeviceMemory memory, const Piece& piece) {
  const std::scoped_lock lock(mutex_);
  pieces_[memory] = piece;
}

std::optional<Piece> Accounts::find(VkDeviceMemory memory) const {
  const std::scoped_lock lock(mutex_);
  const auto place = pieces_.find(memory);
  if (place == pieces_.end()) return {};
  return place->second;
}

void Accounts::forget(VkDeviceMemory memory) {
  const std::optional<Piece> piece = find(memory);
  if (!piece) return;
  {
    const std::scoped_lock lock(mutex_);
    pieces_.erase(memory);
  }
  take_back(*piece);
}

bool Accounts::loses_device(LossPoint point) {
  const std::scoped_lock lock(mutex_);
  return losses_[static_cast<size_t>(point)].strikes();
}

void Accounts::set_budget(uint32_t heap, uint64_t bytes) {
  const std::scoped_lock lock(mutex_);
  if (heap < budgets_.size()) budgets_[heap] = bytes;
}

void Accounts::enforce_budget(bool enforced) {
  const std::scoped_lock lock(mutex_);
  enforce_budget_ = enforced;
}

void Accounts::refuse_imports(bool refused) {
  const std::scoped_lock lock(mutex_);
  refuse_imports_ = refused;
}

void Accounts::refuse_allocations(uint64_t first, uint64_t count) {
  const std::scoped_lock lock(mutex_);
  allocation_fault_.set(first, count);
}

void Accounts::lose_device(const Loss& loss) {
  const std::scoped_lock lock(mutex_);
  set_loss(loss);
}

void Accounts::set_loss(const Loss& loss) {
  losses_[static_cast<size_t>(loss.point)].set(loss.first, loss.count);
}

uint64_t Accounts::budget(uint32_t heap) const {
  const std::scoped_lock lock(mutex_);
  return heap < budgets_.size() ? budgets_[heap] : 0;
}

uint64_t Accounts::used(uint32_t heap) const {
  const std::scoped_lock lock(mutex_);
  return heap < used_.size() ? used_[heap] : 0;
}

uint64_t Accounts::imported() const {
  const std::scoped_lock lock(mutex_);
  return imported_;
}

uint64_t Accounts::live_allocations() const {
  const std::scoped_lock lock(mutex_);
  return live_;
}

uint64_t Accounts::total_allocations() const {
  const std::scoped_lock lock(mutex_);
  return total_;
}

uint64_t Accounts::largest_asked() const {
  const std::scoped_lock lock(mutex_);
  return largest_;
}

}  // namespace caldera::simulated

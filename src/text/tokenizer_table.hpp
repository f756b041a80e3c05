// A hash table that is filled once and then only read.
#pragma once

#include <bit>
#include <cstddef>
#include <vector>

namespace caldera::text {

/// Open addressing at a load of at most one half: one cache miss for a look-up, where std::unordered_map has
/// two or three. `Key{}` marks an empty slot and cannot be a key.
template <typename Key, typename Value, typename Hash>
class Table {
 public:
  /// A table for up to `capacity` keys.
  explicit Table(size_t capacity = 0) : slots_(std::bit_ceil(capacity * 2 + 1)), mask_(slots_.size() - 1) {}

  /// Adds the pair unless the key is there already; says whether it was added.
  bool insert(const Key& key, const Value& value) {
    Slot& slot = slots_[position(key)];
    if (slot.key == key) return false;
    slot = {key, value};
    return true;
  }

  /// The value of `key`, or null.
  const Value* find(const Key& key) const {
    const Slot& slot = slots_[position(key)];
    return slot.key == key && key != Key{} ? &slot.value : nullptr;
  }

 private:
  struct Slot {
    Key key{};
    Value value{};
  };

  /// Where `key` is, or the empty slot where it would be.
  size_t position(const Key& key) const {
    size_t at = Hash{}(key)&mask_;
    while (slots_[at].key != Key{} && slots_[at].key != key) at = (at + 1) & mask_;
    return at;
  }

  std::vector<Slot> slots_;
  size_t mask_;
};

}  // namespace caldera::text

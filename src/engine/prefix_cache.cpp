#include "engine/prefix_cache.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace caldera::engine {

size_t PrefixCache::Hash::operator()(const Key& key) const {
  // FNV-1a over words, http://www.isthe.com/chongo/tech/comp/fnv/; equality decides, so it need not be safe.
  uint64_t hash = 14695981039346656037ULL ^ key.before;
  for (const Token token : key.tokens) {
    hash *= 1099511628211ULL;
    hash ^= static_cast<uint32_t>(token);
  }
  return hash ^ hash >> 32;
}

PrefixCache::Found PrefixCache::find(Id before, std::span<const Token> tokens) const {
  const auto found = pages_.find({before, {tokens.begin(), tokens.end()}});
  if (found == pages_.end()) return {};
  return {found->second.id, found->second.page};
}

PrefixCache::Id PrefixCache::add(Id before, std::span<const Token> tokens, KvPages::Page page) {
  const auto [place, added] = pages_.try_emplace({before, {tokens.begin(), tokens.end()}});
  if (!added) return place->second.id;
  place->second = {next_, std::move(page), uses_.insert(uses_.begin(), &place->first)};
  keys_.emplace(next_, &place->first);
  return next_++;
}

void PrefixCache::touch(std::span<const Id> pages) {
  // The last page first, so that it goes before those without which it is not found.
  for (size_t i = pages.size(); i-- > 0;) {
    const auto key = keys_.find(pages[i]);
    if (key == keys_.end()) continue;
    uses_.splice(uses_.begin(), uses_, pages_.find(*key->second)->second.use);
  }
}

bool PrefixCache::evict() {
  // What is in use is not old. It moves to the front, so that it is not passed over again and again.
  for (size_t left = uses_.size(); left > 0; --left) {
    const auto oldest = std::prev(uses_.end());
    const auto cached = pages_.find(**oldest);
    if (cached->second.page.use_count() > 1) {
      uses_.splice(uses_.begin(), uses_, oldest);
      continue;
    }
    keys_.erase(cached->second.id);
    uses_.erase(oldest);
    pages_.erase(cached);
    return true;
  }
  return false;
}

size_t PrefixCache::idle() const {
  return static_cast<size_t>(
      std::ranges::count_if(pages_, [](const auto& entry) { return entry.second.page.use_count() == 1; }));
}

void PrefixCache::clear() {
  uses_.clear();
  keys_.clear();
  pages_.clear();
}

}  // namespace caldera::engine

// Full pages of KV memory that requests to come may begin with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <span>
#include <unordered_map>
#include <vector>

#include "caldera/model.hpp"
#include "engine/kv_pages.hpp"

namespace caldera::engine {

/// Pages by what they hold and what comes before them, to the token: no two texts are taken for one. Those
/// that no sequence refers to go when memory is wanted, least recently used first.
class PrefixCache {
 public:
  /// A page in the cache; 0: what comes before the first.
  using Id = uint64_t;
  struct Found {
    Id id = 0;  ///< 0: nothing was found
    KvPages::Page page;
  };

  /// The page that holds `tokens`, kernels::kPageTokens of them, after the page `before`.
  Found find(Id before, std::span<const Token> tokens) const;
  /// Adds one, unless there is one that holds the same. Either's id.
  Id add(Id before, std::span<const Token> tokens, KvPages::Page page);
  /// A sequence that began with these pages, the first first, was done with them just now.
  void touch(std::span<const Id> pages);
  /// Drops the page that was used longest ago, of those that no sequence refers to. False: there is none.
  bool evict();
  /// Pages that no sequence refers to.
  size_t idle() const;
  size_t size() const { return pages_.size(); }
  void clear();

 private:
  struct Key {
    Id before = 0;
    std::vector<Token> tokens;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    size_t operator()(const Key& key) const;
  };
  struct Cached {
    Id id = 0;
    KvPages::Page page;
    std::list<const Key*>::iterator use;
  };

  std::unordered_map<Key, Cached, Hash> pages_;
  std::unordered_map<Id, const Key*> keys_;
  std::list<const Key*> uses_;  ///< the last one first; of one sequence the first page
  Id next_ = 1;
};

}  // namespace caldera::engine

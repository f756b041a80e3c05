// One rendering of a template: what it may cost, where it is, and the values it makes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/value.hpp"

namespace caldera::text::jinja {

/// What a rendering may cost before it ends with an error, so that no template can hang or exhaust memory.
struct Limits {
  uint64_t work =
      uint64_t{1} << 29;           ///< units: a byte produced or scanned is one, a step of the evaluator 16
  size_t text = size_t{64} << 20;  ///< bytes of any one string, the result included
  int depth = 500;                 ///< nested statements, expressions and macro calls
  int height = 100;                ///< nested lists and dictionaries
};

class Runtime {
 public:
  explicit Runtime(const Limits& limits = {}) : limits_(limits) {}
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  const Limits& limits() const { return limits_; }
  int line = 1;  ///< of the template, for errors

  /// Throws caldera::Error of kind kInput: `why`, with the template's line.
  [[noreturn]] void fail(const std::string& why) const;
  /// Throws where the rendering has become too much work.
  void charge(uint64_t work);
  /// Charges for a text before it is made.
  void charge_text(size_t bytes);

  Value make_string(std::string text, bool markup = false);
  Value make_list(std::vector<Value> items, ListKind kind = ListKind::kList);
  Value make_generator(std::vector<Value> items);
  Value make_dict(Dict dict);
  Value make_undefined(std::string reason);
  /// Sets a key of a mapping being built. Errors: a key that cannot be hashed.
  void set(Dict& dict, const Value& key, Value value);
  void set(Dict& dict, std::string key, Value value) {
    set(dict, make_string(std::move(key)), std::move(value));
  }

  /// An object that lives as long as the runtime; values only point to it, so no cycle can keep it alive.
  template <typename T, typename... Args>
  T* make_object(Args&&... args) {
    charge(256);
    auto owned = std::make_unique<T>(std::forward<Args>(args)...);
    T* object = owned.get();
    objects_.push_back(std::move(owned));
    return object;
  }

  /// The items of anything Python can iterate over; empties a generator. Errors: not iterable.
  std::vector<Value> iterate(const Value& value);
  /// The code points of a string, each a string.
  std::vector<Value> characters(std::string_view text);

  /// Counts one level of recursion for as long as it lives.
  class Nesting {
   public:
    explicit Nesting(Runtime& runtime);
    ~Nesting() { --runtime_.depth_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    Runtime& runtime_;
  };

 private:
  int checked_height(const std::vector<Value>& items) const;

  Limits limits_;
  uint64_t work_ = 0;
  int depth_ = 0;
  std::vector<std::unique_ptr<Object>> objects_;
};

/// Builds a text piece by piece, charging for it on the way.
class TextBuilder {
 public:
  explicit TextBuilder(Runtime& runtime) : runtime_(runtime) {}

  void append(std::string_view text);
  void append(char c) { append(std::string_view(&c, 1)); }
  /// Appends `text` `count` times; nothing for a negative count.
  void repeat(std::string_view text, int64_t count);

  Runtime& runtime() { return runtime_; }
  const std::string& text() const { return text_; }
  std::string take() { return std::move(text_); }
  Value value() { return runtime_.make_string(std::move(text_)); }

 private:
  Runtime& runtime_;
  std::string text_;
};

}  // namespace caldera::text::jinja

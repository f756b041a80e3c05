// What a template computes with: Python's values, as far as chat templates can tell.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace caldera::text::jinja {

class Value;
class Dict;
class Runtime;
struct Arguments;

/// A name or attribute that does not exist: prints as nothing, is false, and fails in any other use.
struct Undefined {
  std::shared_ptr<const std::string> reason;  ///< what to say where it fails; may be null
};

struct None {};

/// Immutable text, UTF-8.
struct String {
  std::string text;
  size_t length = 0;    ///< code points
  bool markup = false;  ///< already escaped, by `safe` or `escape`
};

/// What a List is called in Python; all of them are sequences of values. A kGroup is what `groupby` returns:
/// a tuple whose items are also called `grouper` and `list`.
enum class ListKind { kList, kTuple, kGroup, kRange, kDictKeys, kDictValues, kDictItems };

/// An immutable sequence. `height` bounds the nesting: 1 plus that of the deepest element.
struct List {
  ListKind kind = ListKind::kList;
  std::vector<Value> items;
  int height = 1;
  int64_t range_start = 0, range_stop = 0, range_step = 1;  ///< of a kRange, for its repr
};

/// An iterator that can be walked once, as `map`, `select` and their like return. Its items are computed at
/// once.
struct Generator {
  std::vector<Value> items;
  size_t next = 0;
  int height = 1;
};

/// An object that the runtime owns and that lives until the end of the rendering: a namespace, a macro, a
/// loop.
class Object {
 public:
  virtual ~Object() = default;
  virtual std::string type_name() const = 0;
  /// The attribute `name`, or nothing.
  virtual std::optional<Value> attribute(Runtime&, std::string_view name);
  virtual bool callable() const { return false; }
  virtual Value call(Runtime& runtime, const Arguments& arguments);
  virtual bool truth() const { return true; }
};

/// `value.name` where name is a method of a built-in type.
struct Method;

class Value {
 public:
  using Data = std::variant<Undefined, None, bool, int64_t, double, std::shared_ptr<const String>,
                            std::shared_ptr<const List>, std::shared_ptr<const Dict>,
                            std::shared_ptr<Generator>, std::shared_ptr<const Method>, Object*>;

  Value() = default;  ///< undefined
  Value(None) : data_(None{}) {}
  Value(Undefined undefined) : data_(std::move(undefined)) {}
  explicit Value(bool value) : data_(value) {}
  explicit Value(int64_t value) : data_(value) {}
  explicit Value(double value) : data_(value) {}
  explicit Value(Object* object) : data_(object) {}
  Value(std::shared_ptr<const String> value) : data_(std::move(value)) {}
  Value(std::shared_ptr<const List> value) : data_(std::move(value)) {}
  Value(std::shared_ptr<const Dict> value) : data_(std::move(value)) {}
  Value(std::shared_ptr<Generator> value) : data_(std::move(value)) {}
  Value(std::shared_ptr<const Method> value) : data_(std::move(value)) {}

  bool is_undefined() const { return std::holds_alternative<Undefined>(data_); }
  bool is_none() const { return std::holds_alternative<None>(data_); }
  bool is_bool() const { return std::holds_alternative<bool>(data_); }
  bool is_int() const { return std::holds_alternative<int64_t>(data_); }
  bool is_float() const { return std::holds_alternative<double>(data_); }
  bool is_string() const { return std::holds_alternative<std::shared_ptr<const String>>(data_); }
  bool is_sequence() const { return std::holds_alternative<std::shared_ptr<const List>>(data_); }
  bool is_list(ListKind kind) const { return is_sequence() && list().kind == kind; }
  bool is_dict() const { return std::holds_alternative<std::shared_ptr<const Dict>>(data_); }
  bool is_generator() const { return std::holds_alternative<std::shared_ptr<Generator>>(data_); }
  bool is_method() const { return std::holds_alternative<std::shared_ptr<const Method>>(data_); }
  bool is_object() const { return std::holds_alternative<Object*>(data_); }

  /// The content, where the matching is_...() holds.
  bool boolean() const { return std::get<bool>(data_); }
  int64_t integer() const { return std::get<int64_t>(data_); }
  double real() const { return std::get<double>(data_); }
  const String& string() const { return *std::get<std::shared_ptr<const String>>(data_); }
  const std::string& text() const { return string().text; }
  const List& list() const { return *std::get<std::shared_ptr<const List>>(data_); }
  const Dict& dict() const { return *std::get<std::shared_ptr<const Dict>>(data_); }
  Generator& generator() const { return *std::get<std::shared_ptr<Generator>>(data_); }
  const Method& method() const { return *std::get<std::shared_ptr<const Method>>(data_); }
  Object* object() const { return std::get<Object*>(data_); }
  const Data& data() const { return data_; }

  /// An int, or a bool as the int it is in Python.
  std::optional<int64_t> as_index() const;
  /// An int, a bool or a float.
  std::optional<double> as_number() const;
  /// Nesting: 0 for what holds no other values.
  int height() const;
  /// Python's name of the type: "str", "list", "dict", ...
  std::string type_name() const;

 private:
  Data data_;
};

struct Method {
  Value self;
  std::string name;
};

/// An immutable mapping that keeps the order of insertion.
class Dict {
 public:
  using Item = std::pair<Value, Value>;

  const std::vector<Item>& items() const { return items_; }
  /// The value at `key`, or null: also for keys that Python could not hash.
  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;
  int height() const { return height_; }

  /// Sets a key while the mapping is being built; false where `key` cannot be hashed.
  bool set(const Value& key, Value value);

 private:
  std::vector<Item> items_;
  std::unordered_map<std::string, size_t> index_;  // by hash_key
  int height_ = 1;
};

/// A string that two values share exactly if Python holds them to be the same dictionary key; nothing for
/// values that cannot be hashed.
std::optional<std::string> hash_key(const Value& value);

/// The arguments of a call.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

}  // namespace caldera::text::jinja

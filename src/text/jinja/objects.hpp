// The objects of a rendering: namespaces, loops, and functions.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/runtime.hpp"
#include "text/jinja/value.hpp"

namespace caldera::text::jinja {

/// namespace(...): the one thing whose attributes a template can set.
class Namespace : public Object {
 public:
  std::string type_name() const override { return "Namespace"; }
  std::optional<Value> attribute(Runtime&, std::string_view name) override;

  std::map<std::string, Value, std::less<>> attributes;
};

/// A function of ours that templates can call.
class Function : public Object {
 public:
  using Body = std::function<Value(Runtime&, const Arguments&)>;
  explicit Function(Body body) : body_(std::move(body)) {}
  std::string type_name() const override { return "function"; }
  bool callable() const override { return true; }
  Value call(Runtime& runtime, const Arguments& arguments) override { return body_(runtime, arguments); }

 private:
  Body body_;
};

/// The variable `loop`. It fetches items only as far as they are asked for, as Jinja2 does: the condition of
/// a loop may depend on what its body has done.
class Loop : public Object {
 public:
  using Source = std::function<std::optional<Value>()>;
  explicit Loop(Source source) : source_(std::move(source)) {}
  std::string type_name() const override { return "LoopContext"; }
  std::optional<Value> attribute(Runtime&, std::string_view name) override;

  /// The next item, or nothing at the end.
  const Value* advance(Runtime& runtime);
  /// After the loop: what it was asked for stays, no more is fetched.
  void finish() { source_ = nullptr; }

 private:
  bool fetch(Runtime& runtime, size_t count);
  Value neighbour(Runtime& runtime, int64_t index);
  Value changed(Runtime& runtime, const Arguments& arguments);

  Source source_;
  std::vector<Value> items_;
  int64_t index_ = -1;
  std::optional<std::vector<Value>> last_changed_;
};

}  // namespace caldera::text::jinja

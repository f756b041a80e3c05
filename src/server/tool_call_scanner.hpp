// Reads {"name": ..., "arguments": {...}} as it is written.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/json_scanner.hpp"

namespace caldera::server {

/// One call. "parameters" is "arguments" too, and "function" is "name", as Llama writes them; arguments in a
/// string are taken out of it.
class ToolCallScanner {
 public:
  enum class State {
    kMore,
    kDone,
    kBroken,  ///< no JSON, or no call of a tool that there is
  };
  /// Calls of other tools than `names` are no calls. Keeps a reference.
  explicit ToolCallScanner(const std::vector<std::string>& names) : names_(names) {}

  /// Takes characters from '{' on until the object ends, and returns how many.
  size_t push(std::string_view text);
  State state() const { return state_; }
  /// Whether it is certain that this is a call: the name is known, and so is that arguments are an object.
  bool certain() const { return known_ && (arguments_begun_ || state_ == State::kDone); }
  const std::string& name() const { return name_; }
  /// What came of the arguments since the last call; only when certain.
  std::string take_arguments();
  /// All that was taken.
  const std::string& raw() const { return raw_; }

 private:
  void take(char c);
  void end_member();
  void end_object();

  const std::vector<std::string>& names_;
  JsonScanner scanner_;
  State state_ = State::kMore;
  std::string raw_;
  std::string key_;     ///< of the outermost object, with its quotes while it is read
  std::string member_;  ///< the value of that key, as far as it is read, unless it is arguments in an object
  bool in_member_ = false;
  bool in_arguments_ = false;
  bool arguments_begun_ = false;
  bool known_ = false;
  std::string name_;
  std::string arguments_;
};

}  // namespace caldera::server

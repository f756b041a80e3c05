// Follows JSON one character at a time: RFC 8259, nesting bounded.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace caldera::server {

class JsonScanner {
 public:
  enum class Place {
    kValue,         ///< a value comes next
    kFirstElement,  ///< behind '[': a value or ']'
    kFirstKey,      ///< behind '{': a key or '}'
    kKey,           ///< behind ',' in an object
    kInKey,         ///< in a key's string
    kColon,
    kInString,
    kInLiteral,  ///< in a number, true, false or null
    kAfter,      ///< behind a value inside an array or object: ',' or its end
    kDone,       ///< the outermost value is complete
    kBroken,
  };
  /// Takes the next character. A number at the outermost level never ends: only arrays and objects are
  /// followed to their end.
  void push(char c);
  Place place() const { return place_; }
  size_t depth() const { return open_.size(); }

 private:
  void string_character(char c);
  void value(char c);
  void after(char c);
  void end_value() { place_ = open_.empty() ? Place::kDone : Place::kAfter; }

  Place place_ = Place::kValue;
  std::vector<char> open_;  ///< '{' and '['
  bool escaped_ = false;
  int hex_left_ = 0;
  std::string literal_;
};

}  // namespace caldera::server

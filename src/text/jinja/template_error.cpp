#include "text/jinja/template_error.hpp"

#include <algorithm>

namespace caldera::text::jinja {
namespace {

constexpr size_t kMaxMessage = 2000;  // bytes

}  // namespace

void fail_template(ErrorKind kind, int line, const std::string& why) {
  // One line, whatever the template's own words are.
  std::string words = why.substr(0, kMaxMessage);
  std::replace_if(
      words.begin(), words.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  throw Error(kind, "chat template, line " + std::to_string(line) + ": " + words);
}

}  // namespace caldera::text::jinja

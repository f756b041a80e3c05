// A template's source as tokens, with the white space rules of trim_blocks and lstrip_blocks applied.
// Token forms and rules: https://jinja.palletsprojects.com/en/stable/templates/#whitespace-control
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace caldera::text::jinja {

enum class TokenKind {
  kText,           ///< template data, comments and raw tags removed
  kBlockBegin,     ///< {%
  kBlockEnd,       ///< %}
  kVariableBegin,  ///< {{
  kVariableEnd,    ///< }}
  kName,
  kString,  ///< `text` has its escapes resolved
  kInteger,
  kFloat,
  kOperator,
  kEnd,  ///< of the template
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  int line = 1;
  std::string text;
  int64_t integer = 0;
  double real = 0;
};

/// Errors: kUnsupported, with the line, for what is no token, and for braces that do not match.
std::vector<Token> tokenize(std::string_view source);

}  // namespace caldera::text::jinja

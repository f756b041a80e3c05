// Constraints: what an answer must look like, held while it is drawn.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "caldera/token.hpp"

namespace caldera {

/// Decides which tokens may come next in one answer: a grammar, a schema. Asked by one thread at a time.
class TokenConstraint {
 public:
  virtual ~TokenConstraint() = default;
  /// Sets a bit for each token that may come next: (vocabulary + 31) / 32 words, all zero before, the first
  /// token the lowest bit of the first word. End-of-turn tokens are among them where the answer may end.
  /// Errors: kInput (what was asked for takes too much work to be held).
  virtual void allow(std::span<uint32_t> bits) = 0;
  /// Told of each token that was drawn, in order.
  virtual void accept(Token token) = 0;
};

/// What an answer must look like.
struct AnswerFormat {
  enum class Kind {
    kText,        ///< anything
    kJson,        ///< a JSON object
    kJsonSchema,  ///< JSON that a JSON Schema describes
    kRegex,       ///< text that a pattern matches as a whole
    kGrammar,     ///< text of a grammar in llguidance's notation, a kind of Lark's
  };
  Kind kind = Kind::kText;
  std::string source;  ///< the schema, as JSON, the pattern, or the grammar
};

}  // namespace caldera

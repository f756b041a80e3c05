// Constrained answers: JSON schemas, patterns and grammars, over the tokens of one vocabulary.
#pragma once

#include <memory>
#include <mutex>

#include "caldera/constraint.hpp"
#include "text/tokenizer.hpp"

namespace caldera::text {

class VocabularyTrie;

/// Makes constraints for a tokenizer, through llguidance (https://github.com/guidance-ai/llguidance), with
/// bounds on time and memory that hold for hostile schemas and patterns. Safe from any thread.
class ConstraintFactory {
 public:
  /// Whether this build has llguidance.
  static bool available();

  /// `tokenizer` must stay.
  explicit ConstraintFactory(const Tokenizer& tokenizer);
  ~ConstraintFactory();

  /// Null for kText. The first call takes as long as sorting the vocabulary does. The constraint outlives the
  /// factory. Errors: kInput (a schema, a pattern or a grammar that cannot be held, with where), kUnsupported
  /// (a build without llguidance).
  std::shared_ptr<TokenConstraint> make(const AnswerFormat& format) const;

 private:
  const Tokenizer& tokenizer_;
  mutable std::once_flag once_;
  mutable std::shared_ptr<const VocabularyTrie> vocabulary_;
};

}  // namespace caldera::text

// What a build without llguidance says of constraints.
#include "caldera/error.hpp"
#include "text/constraint.hpp"

namespace caldera::text {

class VocabularyTrie {};

bool ConstraintFactory::available() {
  return false;
}

ConstraintFactory::ConstraintFactory(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
ConstraintFactory::~ConstraintFactory() = default;

std::shared_ptr<TokenConstraint> ConstraintFactory::make(const AnswerFormat& format) const {
  if (format.kind == AnswerFormat::Kind::kText) return nullptr;
  throw Error(ErrorKind::kUnsupported,
              "this build cannot hold answers to a format: run script/fetch-llguidance and build again");
}

}  // namespace caldera::text

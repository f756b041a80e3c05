// What the endpoints ask of a model besides answers: tokens, its chat template, constraints.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "caldera/constraint.hpp"
#include "caldera/model.hpp"

namespace caldera::server {

/// Safe from any thread.
class Language {
 public:
  virtual ~Language() = default;
  /// As Model::tokenize().
  virtual std::vector<Token> tokenize(std::string_view text, bool add_special, bool parse_special) const = 0;
  /// Bytes of one token, control tokens too; empty for a token that there is none of.
  virtual std::string piece(Token token) const = 0;
  /// As Model::apply_chat_template_json().
  virtual std::string apply_chat_template(std::string_view messages_json,
                                          const ChatOptions& options) const = 0;
  /// The template's source.
  virtual std::string_view chat_template() const = 0;
  /// Whether the template is the model's own, which then writes its BOS itself.
  virtual bool has_chat_template() const = 0;
  virtual uint32_t context() const = 0;     ///< most tokens of prompt and answer
  virtual uint32_t vocabulary() const = 0;  ///< number of tokens
  virtual uint32_t width() const = 0;       ///< of an embedding
  /// As ModelInfo::pooling.
  virtual std::optional<Pooling> pooling() const = 0;
  /// Whether constrain() knows more than kText.
  virtual bool constrains() const = 0;
  /// As Model::constrain().
  virtual std::shared_ptr<TokenConstraint> constrain(const AnswerFormat& format) const = 0;
};

/// The language of a loaded model.
std::shared_ptr<const Language> language_of(std::shared_ptr<Model> model);

}  // namespace caldera::server

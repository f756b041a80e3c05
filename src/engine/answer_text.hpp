// The text of an answer, token by token: whole characters, without what a stop string takes.
#pragma once

#include <string>
#include <vector>

#include "caldera/model.hpp"
#include "engine/stop_strings.hpp"
#include "text/tokenizer.hpp"
#include "text/utf8.hpp"

namespace caldera::engine {

class AnswerText {
 public:
  AnswerText(const text::Tokenizer& tokenizer, std::vector<std::string> stops)
      : tokenizer_(tokenizer), stops_(std::move(stops)) {}

  /// Whether the model ends its answer with it.
  bool is_end(Token token) const;
  /// Adds a token; returns the text that is certain now.
  std::string push(Token token);
  /// Whether a stop string was found, and which.
  bool stopped() const { return stops_.found(); }
  const std::string& stop_string() const { return stops_.which(); }
  /// What was held back, at the end of an answer that did not end with a stop string.
  std::string finish();

 private:
  const text::Tokenizer& tokenizer_;
  StopStrings stops_;
  text::Utf8Stream utf8_;
};

}  // namespace caldera::engine

// From an admitted HTTP request to its answers: submits to the service, takes text apart, tells the writer.
#pragma once

#include <memory>
#include <vector>

#include "server/answer_writer.hpp"
#include "server/chat_request.hpp"
#include "server/models.hpp"
#include "server/relay.hpp"

namespace caldera::server {

/// One prompt and how its answers are to be understood.
struct AnswerPrompt {
  std::vector<Token> tokens;
  AnswerSyntax syntax;
};

/// What one HTTP request asks a model: options.n answers to each prompt, choices in that order.
struct AnswerOrder {
  std::shared_ptr<const ServedModel> model;
  std::shared_ptr<const Language> language;
  std::vector<AnswerPrompt> prompts;
  AnswerOptions options;
  std::string client;  ///< as Request::client
  AnswerHead head;     ///< tokens and choices are filled in
};

/// Answers through `writer`, all on the relay's thread. A client that goes away cancels; refused requests
/// become 429 or 503, lost devices and refused memory 503. Calls that must end with one tool call are
/// cancelled when a second begins.
void start_answers(AnswerOrder order, std::unique_ptr<AnswerWriter> writer,
                   std::shared_ptr<Responder> responder, const std::shared_ptr<Relay>& relay);

}  // namespace caldera::server

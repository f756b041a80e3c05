// From an admitted HTTP request to its embeddings.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/handler.hpp"
#include "server/models.hpp"
#include "server/relay.hpp"

namespace caldera::server {

/// What one HTTP request asks a model.
struct EmbeddingOrder {
  std::shared_ptr<const ServedModel> model;
  std::vector<std::vector<Token>> inputs;  ///< not empty
  Pooling pooling = Pooling::kMean;
  uint32_t dimensions = 0;  ///< 0: all
  bool base64 = false;
  std::string client;  ///< as CompletionRequest::client
  std::string user;    ///< as CompletionRequest::user
  std::string request_id;
};

/// Answers in the OpenAI dialect, all on the relay's thread. Inputs go to the service a few at a time, so
/// that many of them take neither the queue nor all slots. A client that goes away cancels; errors are as
/// those of start_answers().
void start_embeddings(EmbeddingOrder order, std::shared_ptr<Responder> responder,
                      const std::shared_ptr<Relay>& relay);

}  // namespace caldera::server

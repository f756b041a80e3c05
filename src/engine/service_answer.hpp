// One answer of a service while it has a slot.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "engine/answer_text.hpp"
#include "engine/engine.hpp"
#include "engine/pooled_state.hpp"
#include "engine/service_request.hpp"
#include "engine/service_totals.hpp"

namespace caldera::engine {

/// What the service's thread keeps of it. Tells the listener, whatever that throws.
class Answer {
 public:
  using Clock = ServiceRequest::Clock;

  /// Takes over the slot, which is empty.
  Answer(Engine& engine, const text::Tokenizer& tokenizer, std::shared_ptr<ServiceRequest> request,
         uint32_t slot, ServiceTotals& totals);

  uint32_t slot_index() const { return slot_; }
  Slot& slot() { return engine_.slot(slot_); }
  const ServiceRequest& request() const { return *request_; }
  bool ended() const { return request_->ended; }
  bool reading() const { return !ended() && reading_; }
  /// Whether the host has to look at each draw before the next.
  bool stepwise() const {
    return request_->request.top_logprobs.has_value() || request_->request.constraint != nullptr;
  }
  /// At which the device may end it by itself.
  const std::vector<Token>& end_tokens() const { return end_tokens_; }
  /// Tokens to read, and that may still be drawn after those taken.
  uint32_t left() { return static_cast<uint32_t>(slot().tokens.size()) - slot().computed; }
  uint32_t room();

  /// Reads up to `most` tokens; after the last one draws, or ends with an embedding. False when it was
  /// cancelled meanwhile. Errors: kMemory.
  bool read(uint32_t most);
  /// Takes the token drawn by the step or draw before, whose logits are in `row`, and decides whether the
  /// answer goes on.
  void take(uint32_t row);
  /// The device was lost: all is to be read again.
  void restart();
  /// Ends it, if it has not ended.
  void end(StopReason reason, const std::string& error = {});

 private:
  /// read() of a request for an embedding.
  bool read_pooled(uint32_t most);
  /// What reading has come to, as far as it was asked for.
  void count_read(uint32_t tokens, uint32_t cached);
  /// Before each draw: what the constraint allows. Ends the answer where that is nothing.
  void set_mask();
  TokenChoice choice(Token drawn, uint32_t row);
  /// After whose token what text is certain.
  bool goes_on(Token token, std::string& text);
  /// Calls what the asker gave; where that throws, the answer is cancelled.
  template <class Call>
  void tell(const Call& call);

  Engine& engine_;
  std::shared_ptr<ServiceRequest> request_;
  uint32_t slot_;
  ServiceTotals& totals_;
  AnswerText text_;
  std::vector<Token> end_tokens_;
  std::vector<uint32_t> mask_;         ///< with a constraint
  std::optional<PooledState> pooled_;  ///< of an embedding
  uint64_t seed_;
  bool reading_ = true;
  uint32_t taken_ = 0;  ///< since the slot was told to begin
  CompletionEnd end_;
  StopReason reason_ = StopReason::kEnd;  ///< of an answer that does not go on
  Clock::time_point started_ = Clock::now();
  Clock::time_point first_;  ///< token
};

}  // namespace caldera::engine

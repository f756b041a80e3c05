// How answers reach the client: one implementation for each dialect, whole or as a stream.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "server/fields.hpp"
#include "server/handler.hpp"
#include "server/model_answer.hpp"

namespace caldera::server {

/// What every answer to one request says of itself.
struct AnswerHead {
  std::string id;  ///< "chatcmpl-..."
  int64_t created = 0;
  std::string model;
  std::string request_id;
  uint32_t prompt_tokens = 0;  ///< of all prompts
  uint32_t choices_each = 1;   ///< answers to each prompt
};

/// Told of answers as they come, by one thread at a time. `answer` is the choice's answer so far.
class AnswerWriter {
 public:
  virtual ~AnswerWriter() = default;
  /// The request was admitted.
  virtual void begin(const AnswerHead& head) = 0;
  /// `logprobs` are those since the last call.
  virtual void delta(uint32_t choice, const AnswerDelta& delta, const ModelAnswer& answer,
                     std::span<const TokenLogprobs> logprobs) = 0;
  virtual void end(uint32_t choice, const ModelAnswer& answer) = 0;
  /// All have ended.
  virtual void finish(std::span<const ModelAnswer> answers) = 0;
  /// The last call instead of finish(), and perhaps without begin().
  virtual void fail(const ApiError& error) = 0;
  virtual std::string_view call_prefix() const { return "call_"; }
};

/// For answers that are sent whole: nothing until finish(), which sends `body`.
class WholeWriter : public AnswerWriter {
 public:
  using Body = Json (*)(const AnswerHead&, std::span<const ModelAnswer>);
  WholeWriter(std::shared_ptr<Responder> responder, Dialect dialect, Body body,
              std::string_view call_prefix = "call_");
  void begin(const AnswerHead& head) override { head_ = head; }
  void delta(uint32_t, const AnswerDelta&, const ModelAnswer&, std::span<const TokenLogprobs>) override {}
  void end(uint32_t, const ModelAnswer&) override {}
  void finish(std::span<const ModelAnswer> answers) override;
  void fail(const ApiError& error) override;
  std::string_view call_prefix() const override { return call_prefix_; }

 private:
  std::shared_ptr<Responder> responder_;
  Dialect dialect_;
  Body body_;
  std::string_view call_prefix_;
  AnswerHead head_;
};

/// JSON on one line; broken UTF-8 becomes U+FFFD.
std::string dump_json(const Json& json);

}  // namespace caldera::server

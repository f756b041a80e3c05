#include "server/anthropic_response.hpp"

#include <utility>

#include "server/openai_usage.hpp"

namespace caldera::server {
namespace {

using Kind = AnswerDelta::Kind;

// The API signs what was thought, and clients send that back; here nothing is checked.
constexpr std::string_view kSignature = "unsigned";

std::string_view stop_reason(const ModelAnswer& answer) {
  switch (answer.end.reason) {
    case StopReason::kMaxTokens:
      return "max_tokens";
    case StopReason::kContextFull:
      return "model_context_window_exceeded";
    case StopReason::kStopString:
      return "stop_sequence";
    default:
      return answer.has_tool_calls() ? "tool_use" : "end_turn";
  }
}

Json stop_sequence(const ModelAnswer& answer) {
  return answer.end.reason == StopReason::kStopString ? Json(answer.end.stop_string) : Json();
}

/// Tokens that were cached are not among the input tokens.
Json message_usage(const TokenUsage& usage) {
  return {{"input_tokens", usage.prompt - usage.cached},
          {"cache_creation_input_tokens", 0},
          {"cache_read_input_tokens", usage.cached},
          {"output_tokens", usage.completion}};
}

Json block_json(const AnswerBlock& block) {
  if (block.kind == Kind::kContent) return {{"type", "text"}, {"text", block.text}};
  if (block.kind == Kind::kReasoning) {
    return {{"type", "thinking"}, {"thinking", block.text}, {"signature", kSignature}};
  }
  Json input = Json::parse(block.text, nullptr, false);
  // An answer that was cut short has arguments that are no JSON.
  if (!input.is_object()) input = Json::object();
  return {{"type", "tool_use"}, {"id", block.id}, {"name", block.name}, {"input", std::move(input)}};
}

Json message_json(const AnswerHead& head, Json content, Json reason, Json sequence, Json usage) {
  return {{"id", head.id},
          {"type", "message"},
          {"role", "assistant"},
          {"model", head.model},
          {"content", std::move(content)},
          {"stop_reason", std::move(reason)},
          {"stop_sequence", std::move(sequence)},
          {"usage", std::move(usage)}};
}

class AnthropicStream : public AnswerWriter {
 public:
  explicit AnthropicStream(std::shared_ptr<Responder> responder) : responder_(std::move(responder)) {}

  void begin(const AnswerHead& head) override {
    head_ = head;
    begun_ = true;
    responder_->begin_events();
    TokenUsage usage;
    usage.prompt = head.prompt_tokens;
    send("message_start",
         {{"message", message_json(head, Json::array(), nullptr, nullptr, message_usage(usage))}});
    send("ping", Json::object());
  }

  void delta(uint32_t, const AnswerDelta& delta, const ModelAnswer& answer,
             std::span<const TokenLogprobs>) override {
    if (answer.blocks.size() != blocks_) {
      close_block();
      open_block(answer.blocks.back());
      blocks_ = answer.blocks.size();
    }
    if (delta.kind == Kind::kReasoning) send_delta({{"type", "thinking_delta"}, {"thinking", delta.text}});
    if (delta.kind == Kind::kContent) send_delta({{"type", "text_delta"}, {"text", delta.text}});
    if (delta.kind == Kind::kToolArguments) {
      send_delta({{"type", "input_json_delta"}, {"partial_json", delta.text}});
    }
  }

  void end(uint32_t, const ModelAnswer&) override { close_block(); }

  void finish(std::span<const ModelAnswer> answers) override {
    const ModelAnswer& answer = answers[0];
    send("message_delta",
         {{"delta", {{"stop_reason", stop_reason(answer)}, {"stop_sequence", stop_sequence(answer)}}},
          {"usage", message_usage(token_usage(head_, answers))}});
    send("message_stop", Json::object());
    responder_->end();
  }

  void fail(const ApiError& error) override {
    if (!begun_) return send_error(*responder_, Dialect::kAnthropic, error, head_.request_id);
    responder_->event(error_body(Dialect::kAnthropic, error, head_.request_id), "error");
    responder_->end();
  }
  std::string_view call_prefix() const override { return kToolUsePrefix; }

 private:
  void send(std::string_view type, Json fields) {
    Json event = {{"type", type}};
    event.update(fields);
    responder_->event(dump_json(event), type);
  }
  void send_delta(Json delta) {
    send("content_block_delta", {{"index", blocks_ - 1}, {"delta", std::move(delta)}});
  }
  void open_block(const AnswerBlock& block) {
    kind_ = block.kind;
    Json empty = block_json({block.kind, {}, block.id, block.name});
    if (block.kind == Kind::kReasoning) empty["signature"] = "";
    send("content_block_start", {{"index", blocks_}, {"content_block", std::move(empty)}});
    open_ = true;
  }
  void close_block() {
    if (!std::exchange(open_, false)) return;
    if (kind_ == Kind::kReasoning) send_delta({{"type", "signature_delta"}, {"signature", kSignature}});
    send("content_block_stop", {{"index", blocks_ - 1}});
  }

  std::shared_ptr<Responder> responder_;
  AnswerHead head_;
  size_t blocks_ = 0;  ///< begun
  Kind kind_ = Kind::kContent;
  bool open_ = false;
  bool begun_ = false;
};

}  // namespace

Json anthropic_message(const AnswerHead& head, std::span<const ModelAnswer> answers) {
  const ModelAnswer& answer = answers[0];
  Json content = Json::array();
  for (const AnswerBlock& block : answer.blocks) content.push_back(block_json(block));
  return message_json(head, std::move(content), stop_reason(answer), stop_sequence(answer),
                      message_usage(token_usage(head, answers)));
}

std::unique_ptr<AnswerWriter> make_anthropic_stream(std::shared_ptr<Responder> responder) {
  return std::make_unique<AnthropicStream>(std::move(responder));
}

}  // namespace caldera::server

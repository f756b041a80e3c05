#include "server/openai_chat_response.hpp"

#include <optional>
#include <utility>
#include <vector>

#include "server/openai_stream_end.hpp"
#include "server/openai_usage.hpp"

namespace caldera::server {
namespace {

using Kind = AnswerDelta::Kind;

Json message_json(const ModelAnswer& answer) {
  Json calls = Json::array();
  for (const AnswerBlock& block : answer.blocks) {
    if (block.kind != Kind::kToolCall) continue;
    calls.push_back({{"id", block.id},
                     {"type", "function"},
                     {"function", {{"name", block.name}, {"arguments", block.text}}}});
  }
  const std::string content = answer.text(Kind::kContent);
  Json message = {{"role", "assistant"}};
  message["content"] = content.empty() && !calls.empty() ? Json() : Json(content);
  message["refusal"] = nullptr;
  if (std::string reasoning = answer.text(Kind::kReasoning); !reasoning.empty()) {
    message["reasoning_content"] = std::move(reasoning);
  }
  if (!calls.empty()) message["tool_calls"] = std::move(calls);
  return message;
}

Json logprobs_json(std::span<const TokenLogprobs> logprobs) {
  return {{"content", logprob_list(logprobs)}, {"refusal", nullptr}};
}

class ChatStream : public AnswerWriter {
 public:
  ChatStream(std::shared_ptr<Responder> responder, uint32_t choices, bool include_usage, bool logprobs)
      : responder_(std::move(responder)),
        include_usage_(include_usage),
        wants_logprobs_(logprobs),
        states_(choices) {}

  void begin(const AnswerHead& head) override {
    head_ = head;
    begun_ = true;
    responder_->begin_events();
    for (uint32_t choice = 0; choice < states_.size(); ++choice) {
      send(choice, {{"role", "assistant"}, {"content", ""}, {"refusal", nullptr}});
    }
  }

  void delta(uint32_t choice, const AnswerDelta& delta, const ModelAnswer& answer,
             std::span<const TokenLogprobs> logprobs) override {
    switch (delta.kind) {
      case Kind::kReasoning:
        return send(choice, {{"reasoning_content", delta.text}}, {}, logprobs);
      case Kind::kContent:
        return send(choice, {{"content", delta.text}}, {}, logprobs);
      case Kind::kToolCall:
        return send(choice,
                    call_delta(delta.call, {{"id", answer.blocks.back().id},
                                            {"type", "function"},
                                            {"function", {{"name", delta.text}, {"arguments", ""}}}}),
                    {}, logprobs);
      default:
        return send(choice, call_delta(delta.call, {{"function", {{"arguments", delta.text}}}}), {},
                    logprobs);
    }
  }

  void end(uint32_t choice, const ModelAnswer& answer) override {
    send(choice, Json::object(), finish_reason(answer),
         std::span(answer.logprobs).subspan(states_[choice].logprobs));
  }

  void finish(std::span<const ModelAnswer> answers) override {
    std::optional<Json> chunk;
    if (include_usage_) {
      chunk = chunk_json();
      (*chunk)["choices"] = Json::array();
      (*chunk)["usage"] = usage_json(token_usage(head_, answers));
    }
    end_events(*responder_, chunk);
  }

  void fail(const ApiError& error) override { fail_events(*responder_, begun_, error, head_.request_id); }

 private:
  struct State {
    size_t logprobs = 0;  ///< sent
  };

  static Json call_delta(uint32_t index, Json call) {
    Json entry = {{"index", index}};
    entry.update(call);
    return {{"tool_calls", Json::array({std::move(entry)})}};
  }

  Json chunk_json() const {
    return {{"id", head_.id},
            {"object", "chat.completion.chunk"},
            {"created", head_.created},
            {"model", head_.model},
            {"system_fingerprint", kSystemFingerprint}};
  }

  void send(uint32_t choice, Json delta, std::string_view reason = {},
            std::span<const TokenLogprobs> logprobs = {}) {
    states_[choice].logprobs += logprobs.size();
    Json entry = {{"index", choice}, {"delta", std::move(delta)}};
    entry["logprobs"] = wants_logprobs_ && !logprobs.empty() ? logprobs_json(logprobs) : Json();
    entry["finish_reason"] = reason.empty() ? Json() : Json(reason);
    Json chunk = chunk_json();
    chunk["choices"] = Json::array({std::move(entry)});
    if (include_usage_) chunk["usage"] = nullptr;
    responder_->event(dump_json(chunk));
  }

  std::shared_ptr<Responder> responder_;
  bool include_usage_;
  bool wants_logprobs_;
  std::vector<State> states_;
  AnswerHead head_;
  bool begun_ = false;
};

}  // namespace

Json chat_completion(const AnswerHead& head, std::span<const ModelAnswer> answers) {
  Json choices = Json::array();
  for (const ModelAnswer& answer : answers) {
    choices.push_back({{"index", choices.size()},
                       {"message", message_json(answer)},
                       {"logprobs", answer.logprobs.empty() ? Json() : logprobs_json(answer.logprobs)},
                       {"finish_reason", finish_reason(answer)}});
  }
  return {{"id", head.id},
          {"object", "chat.completion"},
          {"created", head.created},
          {"model", head.model},
          {"choices", std::move(choices)},
          {"usage", usage_json(token_usage(head, answers))},
          {"system_fingerprint", kSystemFingerprint}};
}

std::unique_ptr<AnswerWriter> make_chat_stream(std::shared_ptr<Responder> responder, uint32_t choices,
                                               bool include_usage, bool logprobs) {
  return std::make_unique<ChatStream>(std::move(responder), choices, include_usage, logprobs);
}

}  // namespace caldera::server

#include "server/openai_completions.hpp"

#include <fmt/format.h>

#include <limits>
#include <optional>
#include <utility>

#include "server/openai_options.hpp"
#include "server/openai_stream_end.hpp"
#include "server/openai_usage.hpp"

namespace caldera::server {
namespace {

constexpr size_t kMaxPrompts = 128;

Json logprobs_json(std::span<const TokenLogprobs> logprobs, uint64_t offset) {
  Json offsets = Json::array(), values = Json::array(), tokens = Json::array(), tops = Json::array();
  for (const TokenLogprobs& token : logprobs) {
    const std::string text = token_string(token.drawn);
    offsets.push_back(offset);
    offset += text.size();
    values.push_back(token.drawn.logprob);
    tokens.push_back(text);
    Json top = Json::object();
    for (const TokenText& other : token.top) top[token_string(other)] = other.logprob;
    tops.push_back(std::move(top));
  }
  return {{"tokens", std::move(tokens)},
          {"token_logprobs", std::move(values)},
          {"top_logprobs", std::move(tops)},
          {"text_offset", std::move(offsets)}};
}

Json object_json(const AnswerHead& head, Json choices) {
  return {{"id", head.id},
          {"object", "text_completion"},
          {"created", head.created},
          {"model", head.model},
          {"system_fingerprint", kSystemFingerprint},
          {"choices", std::move(choices)}};
}

Json choice_json(size_t index, std::string_view text, std::span<const TokenLogprobs> logprobs,
                 uint64_t offset, std::string_view reason) {
  return {{"text", text},
          {"index", index},
          {"logprobs", logprobs.empty() ? Json() : logprobs_json(logprobs, offset)},
          {"finish_reason", reason.empty() ? Json() : Json(reason)}};
}

class CompletionsStream : public AnswerWriter {
 public:
  CompletionsStream(std::shared_ptr<Responder> responder, bool include_usage, size_t choices)
      : responder_(std::move(responder)), include_usage_(include_usage), sent_(choices), offsets_(choices) {}

  void begin(const AnswerHead& head) override {
    head_ = head;
    begun_ = true;
    responder_->begin_events();
  }
  void delta(uint32_t choice, const AnswerDelta& delta, const ModelAnswer&,
             std::span<const TokenLogprobs> logprobs) override {
    send(choice, delta.text, logprobs, {});
  }
  void end(uint32_t choice, const ModelAnswer& answer) override {
    send(choice, "", std::span(answer.logprobs).subspan(sent_[choice]), finish_reason(answer));
  }
  void finish(std::span<const ModelAnswer> answers) override {
    std::optional<Json> chunk;
    if (include_usage_) {
      chunk = object_json(head_, Json::array());
      (*chunk)["usage"] = usage_json(token_usage(head_, answers));
    }
    end_events(*responder_, chunk);
  }
  void fail(const ApiError& error) override { fail_events(*responder_, begun_, error, head_.request_id); }

 private:
  void send(uint32_t choice, std::string_view text, std::span<const TokenLogprobs> logprobs,
            std::string_view reason) {
    Json chunk =
        object_json(head_, Json::array({choice_json(choice, text, logprobs, offsets_[choice], reason)}));
    if (include_usage_) chunk["usage"] = nullptr;
    sent_[choice] += logprobs.size();
    offsets_[choice] += text.size();
    responder_->event(dump_json(chunk));
  }

  std::shared_ptr<Responder> responder_;
  bool include_usage_;
  std::vector<size_t> sent_;       ///< logprobs, of each choice
  std::vector<uint64_t> offsets_;  ///< bytes of text sent, of each choice
  AnswerHead head_;
  bool begun_ = false;
};

}  // namespace

CompletionsRequest parse_openai_completions(const Json& json) {
  const Fields body(json, "");
  CompletionsRequest request;
  request.model = body.required_string("model");
  request.prompts = parse_prompts(body, "prompt", kMaxPrompts);
  request.options = parse_answer_options(body);
  if (body.find("response_format") != nullptr) request.options.format = parse_response_format(body);
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  request.options.max_tokens = static_cast<uint32_t>(body.integer("max_tokens", 1, kMost).value_or(16));
  request.echo = body.boolean("echo").value_or(false);
  request.stream = body.boolean("stream").value_or(false);
  request.include_usage = parse_include_usage(body, request.stream);
  if (const auto logprobs = body.integer("logprobs", 0, 20)) {
    if (request.echo) {
      refuse("logprobs", "'logprobs' together with 'echo' is not supported", "unsupported_parameter");
    }
    request.options.top_logprobs = static_cast<uint32_t>(*logprobs);
  }
  if (const auto best = body.integer("best_of", 1, 128); best && *best != request.options.n) {
    refuse("best_of", "'best_of' is not supported beyond 'n'", "unsupported_parameter");
  }
  if (const auto suffix = body.string("suffix"); suffix && !suffix->empty()) {
    refuse("suffix", "'suffix' is not supported: leave it out", "unsupported_parameter");
  }
  if (request.prompts.size() * request.options.n > kMaxPrompts) {
    refuse("n", fmt::format("'n' for each prompt comes to more than {} answers", kMaxPrompts));
  }
  return request;
}

Json text_completion(const AnswerHead& head, std::span<const ModelAnswer> answers) {
  Json choices = Json::array();
  for (const ModelAnswer& answer : answers) {
    choices.push_back(choice_json(choices.size(), answer.text(AnswerDelta::Kind::kContent), answer.logprobs,
                                  0, finish_reason(answer)));
  }
  Json object = object_json(head, std::move(choices));
  object["usage"] = usage_json(token_usage(head, answers));
  return object;
}

std::unique_ptr<AnswerWriter> make_completions_stream(std::shared_ptr<Responder> responder,
                                                      bool include_usage, size_t choices) {
  return std::make_unique<CompletionsStream>(std::move(responder), include_usage, choices);
}

}  // namespace caldera::server

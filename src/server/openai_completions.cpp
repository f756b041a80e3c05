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
constexpr size_t kMaxPromptTokens = 1 << 24;

std::vector<Token> parse_tokens(const Json& tokens, const std::string& path) {
  if (tokens.size() > kMaxPromptTokens) refuse(path, fmt::format("'{}' is too long", path));
  std::vector<Token> prompt;
  for (const Json& token : tokens) {
    if (!token.is_number_integer()) refuse_type(element_path(path, prompt.size()), "a token's number", token);
    if (token < 0 || token > std::numeric_limits<Token>::max()) {
      refuse(element_path(path, prompt.size()), "a token's number is out of range");
    }
    prompt.push_back(token.get<Token>());
  }
  return prompt;
}

void parse_prompts(const Fields& body, CompletionsRequest& request) {
  const Json& prompt = body.require("prompt");
  if (prompt.is_string()) {
    request.prompts.emplace_back(prompt.get<std::string>());
    return;
  }
  if (!prompt.is_array()) refuse_type("prompt", "a string or an array", prompt);
  if (prompt.empty()) refuse("prompt", "'prompt' is empty");
  if (prompt[0].is_number()) {
    request.prompts.emplace_back(parse_tokens(prompt, "prompt"));
    return;
  }
  for (const Json& one : *body.array("prompt", kMaxPrompts)) {
    const std::string path = element_path("prompt", request.prompts.size());
    if (one.is_string()) {
      request.prompts.emplace_back(one.get<std::string>());
    } else if (one.is_array()) {
      request.prompts.emplace_back(parse_tokens(one, path));
    } else {
      refuse_type(path, "a string or an array of tokens", one);
    }
  }
}

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
  parse_prompts(body, request);
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

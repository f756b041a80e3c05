#include "server/openai_responses.hpp"

#include <chrono>
#include <utility>
#include <vector>

#include "server/openai_usage.hpp"

namespace caldera::server {
namespace {

using Kind = AnswerDelta::Kind;

/// One element of `output`, made of a block of the answer.
struct Item {
  std::string id;
  Kind kind = Kind::kContent;
};

int64_t now() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Json part_json(Kind kind, std::string_view text, Json logprobs) {
  if (kind == Kind::kReasoning) return {{"type", "reasoning_text"}, {"text", text}};
  return {{"type", "output_text"},
          {"text", text},
          {"annotations", Json::array()},
          {"logprobs", std::move(logprobs)}};
}

class ResponsesWriter : public AnswerWriter {
 public:
  ResponsesWriter(std::shared_ptr<Responder> responder, Json echo, bool stream)
      : responder_(std::move(responder)), echo_(std::move(echo)), stream_(stream) {}

  void begin(const AnswerHead& head) override {
    head_ = head;
    begun_ = true;
    if (!stream_) return;
    responder_->begin_events();
    for (const char* type : {"response.created", "response.in_progress"}) {
      send(type, {{"response", response("in_progress", Json::array(), nullptr)}});
    }
  }

  void delta(uint32_t, const AnswerDelta& delta, const ModelAnswer& answer,
             std::span<const TokenLogprobs> logprobs) override {
    if (answer.blocks.size() != items_.size()) {
      if (!items_.empty()) close_item(answer, "completed");
      open_item(answer);
    }
    if (!stream_ || delta.kind == Kind::kToolCall) return;
    Json fields = place();
    if (delta.kind == Kind::kToolArguments) {
      fields["delta"] = delta.text;
      return send("response.function_call_arguments.delta", std::move(fields));
    }
    fields["content_index"] = 0;
    fields["delta"] = delta.text;
    if (delta.kind == Kind::kContent) fields["logprobs"] = logprob_list(logprobs);
    send(delta.kind == Kind::kContent ? "response.output_text.delta" : "response.reasoning_text.delta",
         std::move(fields));
  }

  void end(uint32_t, const ModelAnswer& answer) override {
    incomplete_ = finish_reason(answer) == "length";
    if (!items_.empty()) close_item(answer, incomplete_ ? "incomplete" : "completed");
  }

  void finish(std::span<const ModelAnswer> answers) override {
    const ModelAnswer& answer = answers[0];
    Json output = Json::array();
    for (size_t i = 0; i < items_.size(); ++i) {
      const bool cut = incomplete_ && i + 1 == items_.size();
      output.push_back(
          item_json(items_[i], answer.blocks[i], answer, cut ? "incomplete" : "completed", true));
    }
    const TokenUsage usage = token_usage(head_, answers);
    Json whole =
        response(incomplete_ ? "incomplete" : "completed", std::move(output),
                 {{"input_tokens", usage.prompt},
                  {"input_tokens_details", {{"cached_tokens", usage.cached}, {"cache_write_tokens", 0}}},
                  {"output_tokens", usage.completion},
                  {"output_tokens_details", {{"reasoning_tokens", usage.reasoning}}},
                  {"total_tokens", usage.prompt + usage.completion}});
    if (!stream_) return responder_->send(200, dump_json(whole));
    send(incomplete_ ? "response.incomplete" : "response.completed", {{"response", std::move(whole)}});
    responder_->end();
  }

  void fail(const ApiError& error) override {
    if (!begun_ || !stream_) return send_error(*responder_, Dialect::kOpenAi, error, head_.request_id);
    Json failed = response("failed", Json::array(), nullptr);
    failed["error"] = {{"code", "server_error"}, {"message", error.message}};
    send("response.failed", {{"response", std::move(failed)}});
    responder_->end();
  }

 private:
  void send(std::string_view type, Json fields) {
    Json event = {{"type", type}, {"sequence_number", sequence_++}};
    event.update(fields);
    responder_->event(dump_json(event), type);
  }

  /// Where the last item lies.
  Json place() const { return {{"item_id", items_.back().id}, {"output_index", items_.size() - 1}}; }

  Json response(std::string_view status, Json output, Json usage) const {
    Json object = {
        {"id", head_.id},
        {"object", "response"},
        {"created_at", head_.created},
        {"status", status},
        {"background", false},
        {"completed_at", status == "completed" ? Json(now()) : Json()},
        {"error", nullptr},
        {"incomplete_details", status == "incomplete" ? Json{{"reason", "max_output_tokens"}} : Json()},
        {"model", head_.model},
        {"output", std::move(output)}};
    object.update(echo_);
    object["usage"] = std::move(usage);
    return object;
  }

  static Json item_json(const Item& item, const AnswerBlock& block, const ModelAnswer& answer,
                        std::string_view status, bool whole) {
    if (item.kind == Kind::kToolCall) {
      return {{"type", "function_call"},
              {"id", item.id},
              {"call_id", block.id},
              {"name", block.name},
              {"arguments", whole ? block.text : std::string()},
              {"status", status}};
    }
    Json content = Json::array();
    if (whole) content.push_back(part_json(item.kind, block.text, part_logprobs(item.kind, answer)));
    if (item.kind == Kind::kReasoning) {
      return {{"type", "reasoning"},
              {"id", item.id},
              {"summary", Json::array()},
              {"content", std::move(content)},
              {"status", status}};
    }
    return {{"type", "message"},
            {"id", item.id},
            {"status", status},
            {"role", "assistant"},
            {"content", std::move(content)}};
  }

  static Json part_logprobs(Kind kind, const ModelAnswer& answer) {
    return kind == Kind::kContent ? logprob_list(answer.logprobs) : Json::array();
  }

  void open_item(const ModelAnswer& answer) {
    const AnswerBlock& block = answer.blocks.back();
    items_.push_back({random_id(block.kind == Kind::kReasoning ? "rs_"
                                : block.kind == Kind::kContent ? "msg_"
                                                               : "fc_"),
                      block.kind});
    if (!stream_) return;
    send("response.output_item.added",
         {{"output_index", items_.size() - 1},
          {"item", item_json(items_.back(), block, answer, "in_progress", false)}});
    if (block.kind == Kind::kToolCall) return;
    Json fields = place();
    fields["content_index"] = 0;
    fields["part"] = part_json(block.kind, "", Json::array());
    send("response.content_part.added", std::move(fields));
  }

  void close_item(const ModelAnswer& answer, std::string_view status) {
    if (!stream_) return;
    const Item& item = items_.back();
    const AnswerBlock& block = answer.blocks[items_.size() - 1];
    Json fields = place();
    if (item.kind == Kind::kToolCall) {
      fields["name"] = block.name;
      fields["arguments"] = block.text;
      send("response.function_call_arguments.done", std::move(fields));
    } else {
      fields["content_index"] = 0;
      Json part = fields;
      fields["text"] = block.text;
      if (item.kind == Kind::kContent) fields["logprobs"] = part_logprobs(item.kind, answer);
      send(item.kind == Kind::kContent ? "response.output_text.done" : "response.reasoning_text.done",
           std::move(fields));
      part["part"] = part_json(item.kind, block.text, part_logprobs(item.kind, answer));
      send("response.content_part.done", std::move(part));
    }
    send("response.output_item.done",
         {{"output_index", items_.size() - 1}, {"item", item_json(item, block, answer, status, true)}});
  }

  std::shared_ptr<Responder> responder_;
  Json echo_;
  bool stream_;
  AnswerHead head_;
  std::vector<Item> items_;  ///< one for each block of the answer
  uint64_t sequence_ = 0;
  bool begun_ = false;
  bool incomplete_ = false;
};

}  // namespace

std::unique_ptr<AnswerWriter> make_responses_writer(std::shared_ptr<Responder> responder, Json echo,
                                                    bool stream) {
  return std::make_unique<ResponsesWriter>(std::move(responder), std::move(echo), stream);
}

}  // namespace caldera::server

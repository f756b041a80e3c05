#include "server/answer_job.hpp"

#include <exception>
#include <utility>

#include "server/client_watch.hpp"
#include "server/service_errors.hpp"

namespace caldera::server {
namespace {

/// Everything but the constructor runs on the relay's thread.
class AnswerJob : public std::enable_shared_from_this<AnswerJob> {
 public:
  AnswerJob(AnswerOrder order, std::unique_ptr<AnswerWriter> writer, std::shared_ptr<Responder> responder,
            std::shared_ptr<Relay> relay)
      : order_(std::move(order)),
        writer_(std::move(writer)),
        responder_(std::move(responder)),
        relay_(std::move(relay)) {}

  void start();
  void chunk(uint32_t choice, CompletionChunk chunk);
  void ended(uint32_t choice, const CompletionEnd& end);
  void client_gone();

 private:
  struct Choice {
    explicit Choice(const AnswerSyntax& syntax) : parser(syntax), parallel(syntax.parallel) {}
    AnswerParser parser;
    bool parallel;
    bool cut = false;  ///< cancelled by us, because it is complete
    uint64_t id = 0;
    std::vector<TokenLogprobs> logprobs;  ///< not told of yet
  };
  CompletionRequest request_for(const AnswerPrompt& prompt, uint32_t n) const;
  void deltas(uint32_t choice, const std::vector<AnswerDelta>& deltas);
  void fail(const ApiError& error);
  void cancel_all();
  template <typename Work>
  void guarded(Work work);

  AnswerOrder order_;
  std::unique_ptr<AnswerWriter> writer_;
  std::shared_ptr<Responder> responder_;
  std::shared_ptr<Relay> relay_;
  std::vector<Choice> choices_;
  std::vector<ModelAnswer> answers_;
  uint32_t running_ = 0;
  bool over_ = false;  ///< the client has its answer, or is gone
};

/// Hands over to the relay. Lets go of the job with the last call, so that the service's thread is never the
/// one that ends the service.
class JobListener : public CompletionListener {
 public:
  JobListener(std::shared_ptr<AnswerJob> job, std::shared_ptr<Relay> relay, uint32_t choice)
      : job_(std::move(job)), relay_(std::move(relay)), choice_(choice) {}

  void on_chunk(CompletionChunk chunk) override {
    relay_->post([job = job_, choice = choice_, chunk = std::move(chunk)]() mutable {
      job->chunk(choice, std::move(chunk));
    });
  }
  void on_end(const CompletionEnd& end) override {
    relay_->post([job = std::move(job_), choice = choice_, end] { job->ended(choice, end); });
    relay_.reset();
  }

 private:
  std::shared_ptr<AnswerJob> job_;
  std::shared_ptr<Relay> relay_;
  uint32_t choice_;
};

template <typename Work>
void AnswerJob::guarded(Work work) {
  try {
    work();
  } catch (const std::exception&) {
    fail(current_api_error());
  }
}

CompletionRequest AnswerJob::request_for(const AnswerPrompt& prompt, uint32_t n) const {
  const AnswerOptions& options = order_.options;
  CompletionRequest request;
  request.prompt = prompt.tokens;
  request.sampling = options.sampling;
  // Answers of one request differ though their seed is given.
  if (request.sampling.seed) *request.sampling.seed += n;
  request.max_tokens = options.max_tokens;
  request.stop = options.stop;
  request.ignore_end = options.ignore_end;
  request.top_logprobs = options.top_logprobs;
  request.constraint = order_.language->constrain(options.format);
  request.client = order_.client;
  request.user = options.user;
  return request;
}

void AnswerJob::start() {
  guarded([this] {
    Service& service = *order_.model->service;
    order_.head.choices_each = order_.options.n;
    order_.head.prompt_tokens = 0;
    for (const AnswerPrompt& prompt : order_.prompts) {
      order_.head.prompt_tokens += static_cast<uint32_t>(prompt.tokens.size());
      for (uint32_t n = 0; n < order_.options.n; ++n) choices_.emplace_back(prompt.syntax);
    }
    answers_.resize(choices_.size());
    for (uint32_t i = 0; i < choices_.size(); ++i) {
      const Admission admission =
          service.submit(request_for(order_.prompts[i / order_.options.n], i % order_.options.n),
                         std::make_shared<JobListener>(shared_from_this(), relay_, i));
      if (admission.id == 0) return fail(refusal(service, admission));
      choices_[i].id = admission.id;
      ++running_;
    }
    writer_->begin(order_.head);
    watch_client(*responder_, weak_from_this(), relay_);
  });
}

void AnswerJob::chunk(uint32_t choice, CompletionChunk chunk) {
  if (over_ || choices_[choice].cut) return;
  guarded([&] {
    Choice& state = choices_[choice];
    for (const TokenChoice& token : chunk.choices) {
      TokenLogprobs logprobs;
      logprobs.drawn = {order_.language->piece(token.drawn.token), token.drawn.logprob};
      for (const TokenLogprob& top : token.top) {
        logprobs.top.push_back({order_.language->piece(top.token), top.logprob});
      }
      answers_[choice].logprobs.push_back(logprobs);
      state.logprobs.push_back(std::move(logprobs));
    }
    const std::vector<AnswerDelta> parts = state.parser.push(chunk.text);
    const bool reasoning = state.parser.inside_reasoning() ||
                           (!parts.empty() && parts.back().kind == AnswerDelta::Kind::kReasoning);
    if (reasoning) answers_[choice].reasoning_tokens += static_cast<uint32_t>(chunk.tokens.size());
    deltas(choice, parts);
    if (responder_->closed()) client_gone();
  });
}

void AnswerJob::deltas(uint32_t choice, const std::vector<AnswerDelta>& deltas) {
  Choice& state = choices_[choice];
  for (const AnswerDelta& delta : deltas) {
    if (state.cut) return;
    if (!state.parallel && delta.kind == AnswerDelta::Kind::kToolCall && delta.call > 0) {
      state.cut = true;
      order_.model->service->cancel(state.id);
      return;
    }
    apply_delta(answers_[choice], delta, writer_->call_prefix());
    writer_->delta(choice, delta, answers_[choice], std::exchange(state.logprobs, {}));
  }
}

void AnswerJob::ended(uint32_t choice, const CompletionEnd& end) {
  if (over_) return;
  guarded([&] {
    Choice& state = choices_[choice];
    ModelAnswer& answer = answers_[choice];
    answer.end = end;
    if (state.cut && end.reason == StopReason::kCancelled) answer.end.reason = StopReason::kEnd;
    if (const auto error = failure(answer.end)) return fail(*error);
    if (state.cut) answer.end.reason = StopReason::kEnd;
    deltas(choice, state.parser.finish());
    writer_->end(choice, answer);
    if (--running_ > 0) return;
    over_ = true;
    writer_->finish(answers_);
  });
}

void AnswerJob::client_gone() {
  if (over_) return;
  over_ = true;
  cancel_all();
}

void AnswerJob::cancel_all() {
  for (const Choice& choice : choices_) {
    if (choice.id != 0) order_.model->service->cancel(choice.id);
  }
}

void AnswerJob::fail(const ApiError& error) {
  if (over_) return;
  over_ = true;
  cancel_all();
  writer_->fail(error);
}

}  // namespace

void start_answers(AnswerOrder order, std::unique_ptr<AnswerWriter> writer,
                   std::shared_ptr<Responder> responder, const std::shared_ptr<Relay>& relay) {
  auto job = std::make_shared<AnswerJob>(std::move(order), std::move(writer), std::move(responder), relay);
  relay->post([job] { job->start(); });
}

}  // namespace caldera::server

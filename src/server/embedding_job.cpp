#include "server/embedding_job.hpp"

#include <algorithm>
#include <cmath>
#include <exception>
#include <map>
#include <utility>

#include "server/client_watch.hpp"
#include "server/openai_embeddings.hpp"
#include "server/service_errors.hpp"

namespace caldera::server {
namespace {

/// Inputs of one request that the service has: one that is read, and the next, which begins when it ends.
constexpr size_t kAhead = 2;

/// Everything but the constructor runs on the relay's thread.
class EmbeddingJob : public std::enable_shared_from_this<EmbeddingJob> {
 public:
  EmbeddingJob(EmbeddingOrder order, std::shared_ptr<Responder> responder, std::shared_ptr<Relay> relay)
      : order_(std::move(order)),
        responder_(std::move(responder)),
        relay_(std::move(relay)),
        vectors_(order_.inputs.size()) {}

  void start();
  void ended(size_t input, CompletionEnd end);
  void client_gone() {
    over_ = true;
    cancel_all();
  }

 private:
  /// Gives the service inputs, as many as it may have.
  void submit();
  void fail(const ApiError& error);
  void cancel_all();
  template <typename Work>
  void guarded(Work work);

  EmbeddingOrder order_;
  std::shared_ptr<Responder> responder_;
  std::shared_ptr<Relay> relay_;
  std::vector<std::vector<float>> vectors_;
  std::map<size_t, uint64_t> running_;  ///< ids in the service, by input
  size_t next_ = 0;
  uint64_t tokens_ = 0;
  bool over_ = false;  ///< the client has its answer, or is gone
};

/// Hands over to the relay. Lets go of the job with the last call, so that the service's thread is never the
/// one that ends the service.
class InputListener : public CompletionListener {
 public:
  InputListener(std::shared_ptr<EmbeddingJob> job, std::shared_ptr<Relay> relay, size_t input)
      : job_(std::move(job)), relay_(std::move(relay)), input_(input) {}
  void on_chunk(CompletionChunk) override {}
  void on_end(const CompletionEnd& end) override {
    relay_->post([job = std::move(job_), input = input_, end] { job->ended(input, end); });
    relay_.reset();
  }

 private:
  std::shared_ptr<EmbeddingJob> job_;
  std::shared_ptr<Relay> relay_;
  size_t input_;
};

template <typename Work>
void EmbeddingJob::guarded(Work work) {
  try {
    work();
  } catch (const std::exception&) {
    fail(current_api_error());
  }
}

void EmbeddingJob::start() {
  guarded([this] {
    submit();
    watch_client(*responder_, weak_from_this(), relay_);
  });
}

void EmbeddingJob::submit() {
  Service& service = *order_.model->service;
  while (next_ < order_.inputs.size() && running_.size() < kAhead) {
    CompletionRequest request;
    request.prompt = order_.inputs[next_];
    request.pooling = order_.pooling;
    request.client = order_.client;
    request.user = order_.user;
    const Admission admission = service.submit(
        std::move(request), std::make_shared<InputListener>(shared_from_this(), relay_, next_));
    if (admission.id == 0) {
      // The queue is full, but what is under way of this request is done soon.
      if (!running_.empty()) return;
      return fail(refusal(service, admission));
    }
    tokens_ += order_.inputs[next_].size();
    running_[next_++] = admission.id;
  }
}

void EmbeddingJob::ended(size_t input, CompletionEnd end) {
  running_.erase(input);
  if (over_) return;
  guarded([&] {
    if (const auto error = failure(end)) return fail(*error);
    if (!std::ranges::all_of(end.embedding, [](float value) { return std::isfinite(value); })) {
      return fail(
          {.status = 500, .message = "the model's hidden states of this text are not finite numbers"});
    }
    vectors_[input] = shortened(std::move(end.embedding), order_.dimensions);
    order_.inputs[input] = {};
    submit();
    if (over_ || !running_.empty()) return;
    over_ = true;
    responder_->send(200, embeddings_body(order_.model->name, vectors_, order_.base64, tokens_));
  });
}

void EmbeddingJob::cancel_all() {
  for (const auto& [input, id] : running_) order_.model->service->cancel(id);
}

void EmbeddingJob::fail(const ApiError& error) {
  if (over_) return;
  over_ = true;
  cancel_all();
  send_error(*responder_, Dialect::kOpenAi, error, order_.request_id);
}

}  // namespace

void start_embeddings(EmbeddingOrder order, std::shared_ptr<Responder> responder,
                      const std::shared_ptr<Relay>& relay) {
  auto job = std::make_shared<EmbeddingJob>(std::move(order), std::move(responder), relay);
  relay->post([job] { job->start(); });
}

}  // namespace caldera::server

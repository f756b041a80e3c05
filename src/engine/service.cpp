// Service of the public interface: requests from any thread, answered by a thread of its own.
#include "caldera/service.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "caldera/error.hpp"
#include "engine/engine.hpp"
#include "engine/request_queue.hpp"
#include "engine/sampling_check.hpp"
#include "engine/service_scheduler.hpp"
#include "engine/service_totals.hpp"

namespace caldera {
namespace {

using engine::ServiceRequest;

constexpr uint32_t kMostLogprobs = 20;
constexpr double kLongestRetry = 60;  ///< seconds

/// Errors: kUsage, kContext.
void check(const CompletionRequest& request, const Model& model) {
  const auto demand = [](bool holds, const std::string& what) {
    if (!holds) throw Error(ErrorKind::kUsage, what);
  };
  engine::check_sampling(request.sampling);
  demand(!request.prompt.empty(), "there is nothing to answer: the prompt is empty");
  for (const Token token : request.prompt) {
    demand(token >= 0 && static_cast<uint32_t>(token) < model.info().vocabulary,
           fmt::format("there is no token {}: the vocabulary has {}", token, model.info().vocabulary));
  }
  demand(!request.top_logprobs || *request.top_logprobs <= kMostLogprobs,
         fmt::format("up to {} alternatives to a token can be told", kMostLogprobs));
  if (request.pooling) {
    if (request.prompt.size() <= model.context()) return;
    throw Error(ErrorKind::kContext,
                fmt::format("the text is {} tokens, and the context holds {}: send less, or raise --context",
                            request.prompt.size(), model.context()));
  }
  if (request.prompt.size() < model.context()) return;
  throw Error(
      ErrorKind::kContext,
      fmt::format("the prompt is {} tokens, and a context of {} leaves no room for an answer: shorten "
                  "it, or raise --context",
                  request.prompt.size(), model.context()));
}

class EngineService : public Service {
 public:
  EngineService(std::shared_ptr<Model> model, const ServiceOptions& options)
      : model_(std::move(model)), options_(options), slots_(model_->engine().sequences()) {
    {
      const std::scoped_lock lock(model_->engine().mutex());
      scheduler_.emplace(model_->engine(), model_->tokenizer(), options_, totals_);
    }
    thread_ = std::thread([this] { run(); });
  }

  ~EngineService() override {
    {
      const std::scoped_lock lock(mutex_);
      closing_ = true;
      cancel_all();
    }
    work_.notify_one();
    thread_.join();
    const std::scoped_lock lock(model_->engine().mutex());
    scheduler_.reset();
  }
  EngineService(const EngineService&) = delete;
  EngineService& operator=(const EngineService&) = delete;

  Admission submit(CompletionRequest request, std::shared_ptr<CompletionListener> listener) override {
    if (listener == nullptr) throw Error(ErrorKind::kUsage, "a request needs a listener");
    check(request, *model_);
    auto waiting = std::make_shared<ServiceRequest>();
    waiting->request = std::move(request);
    waiting->listener = std::move(listener);
    const std::scoped_lock lock(mutex_);
    const size_t free = slots_ - std::min<size_t>(slots_, active_.size());
    const bool full = queue_.size() >= options_.queue + free ||
                      queue_.size(waiting->request.client) >= options_.client_queue + free;
    if (draining_ || closing_ || full) {
      ++refused_;
      return {0, retry_after()};
    }
    waiting->id = ++last_id_;
    const Admission admission{waiting->id, {}};
    queue_.push(std::move(waiting));
    work_.notify_one();
    return admission;
  }

  void cancel(uint64_t id) override {
    const std::scoped_lock lock(mutex_);
    const auto mark = [&](ServiceRequest& request) {
      if (request.id == id) request.cancelled = true;
    };
    for (const auto& request : active_) mark(*request);
    queue_.each(mark);
    cancels_ = true;
    work_.notify_one();
  }

  ServiceStatus status() const override {
    ServiceStatus status;
    status.slots = slots_;
    const std::scoped_lock lock(mutex_);
    const auto add = [&](const ServiceRequest& request) {
      if (!request.ended) status.requests.push_back(request.status());
    };
    for (const auto& request : active_) add(*request);
    queue_.each(add);
    std::ranges::sort(status.requests, {}, &RequestStatus::id);
    status.finished = totals_.finished;
    status.cancelled = totals_.cancelled;
    status.refused = refused_;
    status.failed = totals_.failed;
    status.prompt_tokens = totals_.prompt_tokens;
    status.cached_prompt_tokens = totals_.cached_prompt_tokens;
    status.completion_tokens = totals_.completion_tokens;
    status.cached_tokens = totals_.cached_tokens;
    status.tokens_per_second = totals_.rate.per_second();
    status.draining = draining_;
    return status;
  }

  void drain(std::chrono::milliseconds patience) override {
    std::unique_lock lock(mutex_);
    draining_ = true;
    const auto empty = [&] { return active_.empty() && queue_.size() == 0; };
    if (ended_.wait_for(lock, patience, empty)) return;
    cancel_all();
    work_.notify_one();
    ended_.wait(lock, empty);
  }

 private:
  using Requests = std::vector<std::shared_ptr<ServiceRequest>>;

  /// With mutex_.
  void cancel_all() {
    for (const auto& request : active_) request->cancelled = true;
    queue_.each([](ServiceRequest& request) { request.cancelled = true; });
    cancels_ = true;
  }

  /// When a place is likely to be free. With mutex_.
  std::chrono::seconds retry_after() const {
    const double turns = static_cast<double>(queue_.size() + 1) / slots_;
    return std::chrono::seconds(
        std::lround(std::clamp(std::ceil(totals_.request_seconds * turns), 1.0, kLongestRetry)));
  }

  void run() {
    for (;;) {
      Requests cancelled;
      Requests starting;
      {
        std::unique_lock lock(mutex_);
        work_.wait(lock, [&] { return scheduler_->busy() || queue_.size() > 0 || closing_; });
        if (std::exchange(cancels_, false))
          queue_.remove([](const ServiceRequest& request) { return request.cancelled.load(); }, cancelled);
        while (queue_.size() > 0 && starting.size() < scheduler_->free_slots()) {
          starting.push_back(queue_.pop());
          active_.push_back(starting.back());
        }
        // Until they have been told, a drain is not over.
        active_.insert(active_.end(), cancelled.begin(), cancelled.end());
        if (closing_ && active_.empty() && !scheduler_->busy()) return;
      }
      for (const auto& request : cancelled) end_waiting(*request);
      if (!starting.empty() || scheduler_->busy()) {
        const std::scoped_lock lock(model_->engine().mutex());
        for (auto& request : starting) scheduler_->start(std::move(request));
        scheduler_->turn();
      }
      const std::scoped_lock lock(mutex_);
      if (std::erase_if(active_, [](const auto& request) { return request->ended.load(); }) > 0)
        ended_.notify_all();
    }
  }

  /// A request that was cancelled before it had a slot.
  void end_waiting(ServiceRequest& request) {
    request.ended = true;
    ++totals_.cancelled;
    CompletionEnd end;
    end.reason = StopReason::kCancelled;
    end.prompt_tokens = static_cast<uint32_t>(request.request.prompt.size());
    end.queue_seconds = request.seconds();
    try {
      request.listener->on_end(end);
    } catch (...) {  // there is nothing left to end
    }
  }

  std::shared_ptr<Model> model_;
  ServiceOptions options_;
  uint32_t slots_;
  mutable engine::ServiceTotals totals_;
  std::optional<engine::Scheduler> scheduler_;  ///< of the thread

  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable ended_;
  engine::RequestQueue queue_;
  Requests active_;  ///< have a slot
  uint64_t last_id_ = 0;
  uint64_t refused_ = 0;
  bool cancels_ = false;  ///< some that wait
  bool draining_ = false;
  bool closing_ = false;

  std::thread thread_;
};

}  // namespace

std::unique_ptr<Service> make_service(std::shared_ptr<Model> model, const ServiceOptions& options) {
  if (model == nullptr) throw Error(ErrorKind::kUsage, "a service needs a model");
  if (!(options.longest_stall > 0))
    throw Error(ErrorKind::kUsage, "the longest stall must be above 0 seconds");
  return std::make_unique<EngineService>(std::move(model), options);
}

}  // namespace caldera

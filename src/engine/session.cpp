// Session of the public interface.
#include "caldera/session.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "caldera/error.hpp"
#include "engine/engine.hpp"
#include "engine/generation.hpp"

namespace caldera {

struct Session::State {
  std::shared_ptr<Model> model;
  uint32_t index = 0;

  explicit State(std::shared_ptr<Model> of) : model(std::move(of)) {
    if (model == nullptr) throw Error(ErrorKind::kUsage, "a session needs a model");
    const std::scoped_lock lock(model->engine().mutex());
    index = model->engine().open_slot();
  }
  ~State() {
    const std::scoped_lock lock(model->engine().mutex());
    // There is nobody left to tell; the slot goes with the engine.
    try {
      model->engine().close_slot(index);
    } catch (const Error&) {
    }
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  engine::Slot& slot() const { return model->engine().slot(index); }

  /// Errors: kContext, kUsage.
  void check_fits(size_t before, std::span<const Token> tokens) const {
    if (before + tokens.size() > model->context()) {
      throw Error(
          ErrorKind::kContext,
          fmt::format("the prompt is {} tokens, {} more than the context of {} holds: shorten it, or "
                      "raise --context",
                      before + tokens.size(), before + tokens.size() - model->context(), model->context()));
    }
    for (const Token token : tokens) {
      if (token < 0 || static_cast<uint32_t>(token) >= model->info().vocabulary) {
        throw Error(ErrorKind::kUsage, fmt::format("there is no token {}: the vocabulary has {}", token,
                                                   model->info().vocabulary));
      }
    }
  }
};

Session::Session(std::shared_ptr<Model> model) : state_(std::make_unique<State>(std::move(model))) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

std::span<const Token> Session::tokens() const {
  return state_->slot().tokens;
}

void Session::append(std::span<const Token> tokens) {
  std::vector<Token>& all = state_->slot().tokens;
  state_->check_fits(all.size(), tokens);
  all.insert(all.end(), tokens.begin(), tokens.end());
}

uint32_t Session::assign(std::span<const Token> tokens) {
  state_->check_fits(0, tokens);
  engine::Slot& slot = state_->slot();
  const auto [mine, theirs] =
      std::mismatch(slot.tokens.begin(), slot.tokens.end(), tokens.begin(), tokens.end());
  truncate(static_cast<uint32_t>(mine - slot.tokens.begin()));
  slot.tokens.assign(tokens.begin(), tokens.end());
  return slot.computed;
}

uint32_t Session::assign_shifting(std::span<const Token> tokens, uint32_t keep) {
  const uint32_t context = state_->model->context();
  if (tokens.size() < context) return assign(tokens);
  if (tokens.size() > engine::kMostConversation) {
    throw Error(ErrorKind::kContext, fmt::format("a conversation of {} tokens is too long: up to {} can be "
                                                 "shortened to what the context holds",
                                                 tokens.size(), engine::kMostConversation));
  }
  engine::Slot& slot = state_->slot();
  const auto same = [&](size_t before, std::span<const Token> with, size_t count) {
    return slot.tokens.size() >= before + count && with.size() >= count &&
           std::equal(with.begin(), with.begin() + static_cast<ptrdiff_t>(count),
                      slot.tokens.begin() + static_cast<ptrdiff_t>(before));
  };
  // What was forgotten is known by where it was: behind what is kept, which must be the same.
  engine::ContextShift gap{engine::kept_tokens(keep), 0};
  if (slot.shifted.dropped > 0 && tokens.size() > slot.shifted.kept + slot.shifted.dropped &&
      same(0, tokens, slot.shifted.kept)) {
    gap = slot.shifted;
  }
  uint32_t more = 0;
  const auto left = [&] { return static_cast<uint32_t>(tokens.size()) - gap.dropped - more; };
  while (left() >= context) {
    const engine::ContextShift next = engine::next_shift(left(), gap.kept);
    if (next.dropped == 0) {
      throw Error(ErrorKind::kContext,
                  fmt::format("a context of {} tokens cannot keep the first {} and forget others: raise "
                              "--context to {}, or keep fewer",
                              context, gap.kept, engine::least_shifting_context(gap.kept)));
    }
    more += next.dropped;
  }
  if (more > 0 && same(gap.kept, tokens.subspan(gap.kept + gap.dropped), more) && same(0, tokens, gap.kept)) {
    engine::Engine& engine = state_->model->engine();
    const std::scoped_lock lock(engine.mutex());
    engine.drop(state_->index, {gap.kept, more});
  }
  std::vector<Token> rest(tokens.begin(), tokens.begin() + gap.kept);
  rest.insert(rest.end(), tokens.begin() + gap.kept + gap.dropped + more, tokens.end());
  const uint32_t reused = assign(rest);
  slot.shifted = {gap.kept, gap.dropped + more};
  return reused;
}

uint32_t Session::dropped() const {
  return state_->slot().shifted.dropped;
}

void Session::truncate(uint32_t length) {
  engine::Engine& engine = state_->model->engine();
  const std::scoped_lock lock(engine.mutex());
  engine.truncate_slot(state_->index, length);
}

std::vector<float> Session::logits() {
  engine::Engine& engine = state_->model->engine();
  const std::scoped_lock lock(engine.mutex());
  if (state_->slot().tokens.empty())
    throw Error(ErrorKind::kUsage, "there are no logits of an empty sequence");
  return engine.logits_from(state_->index, static_cast<uint32_t>(state_->slot().tokens.size()) - 1);
}

std::vector<float> Session::logits_of_each(std::span<const Token> tokens) {
  const auto first = static_cast<uint32_t>(state_->slot().tokens.size());
  append(tokens);
  engine::Engine& engine = state_->model->engine();
  const std::scoped_lock lock(engine.mutex());
  return engine.logits_from(state_->index, first);
}

Generation Session::generate(const GenerateOptions& options) {
  GenerateRequest request{this, options};
  return std::move(caldera::generate({&request, 1}).front());
}

std::vector<Generation> generate(std::span<GenerateRequest> requests) {
  if (requests.empty()) return {};
  for (const GenerateRequest& request : requests) {
    if (request.session == nullptr || request.session->state_ == nullptr)
      throw Error(ErrorKind::kUsage, "a request to generate names no session");
  }
  const std::shared_ptr<Model>& model = requests[0].session->state_->model;
  std::vector<engine::Job> jobs;
  for (const GenerateRequest& request : requests) {
    if (request.session->state_->model != model) {
      throw Error(ErrorKind::kUsage, "sessions that generate together must be of one model");
    }
    const uint32_t index = request.session->state_->index;
    if (std::any_of(jobs.begin(), jobs.end(), [&](const engine::Job& job) { return job.slot == index; })) {
      throw Error(ErrorKind::kUsage, "one session cannot take part in a generation twice");
    }
    jobs.push_back({index, &request.options});
  }
  const std::scoped_lock lock(model->engine().mutex());
  return engine::generate(model->engine(), model->tokenizer(), jobs);
}

}  // namespace caldera

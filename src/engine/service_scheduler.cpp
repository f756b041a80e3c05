#include "engine/service_scheduler.hpp"

#include <algorithm>
#include <utility>

#include "caldera/error.hpp"
#include "vulkan/device_lost.hpp"

namespace caldera::engine {

Scheduler::Scheduler(Engine& engine, const text::Tokenizer& tokenizer, const ServiceOptions& options,
                     ServiceTotals& totals)
    : engine_(engine), tokenizer_(tokenizer), longest_stall_(options.longest_stall), totals_(totals) {
  try {
    while (free_.size() < engine_.sequences()) free_.push_back(engine_.open_slot());
  } catch (const Error&) {
    for (const uint32_t slot : free_) engine_.close_slot(slot);
    throw Error(ErrorKind::kUsage, "a service needs all of a model's sequences: end its sessions first");
  }
  std::ranges::reverse(free_);
  try {
    engine_.tune_steps();  // later, all answers would wait
  } catch (const vulkan::DeviceLost& loss) {
    recover(loss);
  }
  engine_.keep_prefixes(options.cached_tokens ? std::optional(*options.cached_tokens / kernels::kPageTokens)
                                              : std::nullopt);
}

Scheduler::~Scheduler() {
  try {
    end_all(StopReason::kCancelled, {});
    engine_.wait_all();
  } catch (const Error&) {  // of the device, which is not asked for anything more
  }
  for (uint32_t slot = 0; slot < engine_.sequences(); ++slot) {
    try {
      engine_.close_slot(slot);
    } catch (const Error&) {
    }
  }
  engine_.keep_prefixes(0);
}

void Scheduler::start(std::shared_ptr<ServiceRequest> request) {
  const uint32_t slot = free_.back();
  free_.pop_back();
  answers_.push_back(std::make_unique<Answer>(engine_, tokenizer_, std::move(request), slot, totals_));
}

bool Scheduler::any(const std::function<bool(const Answer&)>& which) const {
  return std::ranges::any_of(answers_, [&](const auto& answer) { return which(*answer); });
}

void Scheduler::turn() {
  if (answers_.empty()) return;
  try {
    if (fresh_) engine_.begin_call();
    fresh_ = false;
    work();
  } catch (const vulkan::DeviceLost& loss) {
    recover(loss);
  } catch (const Error& error) {
    end_all(StopReason::kDeviceLost, error.what());
  }
  totals_.cached_tokens = engine_.prefixes().idle() * kernels::kPageTokens;
  if (answers_.empty()) fresh_ = true;
}

void Scheduler::work() {
  end_cancelled();
  reform();
  read_next();
  reform();
  step();
  reform();
}

void Scheduler::end_all(StopReason reason, const std::string& error) {
  for (const auto& answer : answers_) answer->end(reason, error);
  changed_ = true;
}

void Scheduler::recover(const vulkan::DeviceLost& loss) {
  in_flight_.clear();
  batch_.clear();
  without_memory_.clear();
  changed_ = true;
  for (const auto& answer : answers_) answer->restart();
  try {
    if (engine_.recover(loss)) return;
    end_all(StopReason::kCancelled, {});
  } catch (const Error& error) {
    end_all(StopReason::kDeviceLost, error.what());
  }
  fresh_ = true;
}

void Scheduler::end_cancelled() {
  for (const auto& answer : answers_) {
    if (answer->ended() || !answer->request().cancelled) continue;
    answer->end(StopReason::kCancelled);
    changed_ = true;
  }
}

void Scheduler::reform() {
  if (!changed_) return;
  drain();
  batch_.clear();
  std::vector<uint32_t> slots;
  std::vector<const std::vector<Token>*> ends;
  for (const auto& answer : answers_) {
    if (answer->ended() || answer->reading()) continue;
    batch_.push_back(answer.get());
    slots.push_back(answer->slot_index());
    ends.push_back(&answer->end_tokens());
  }
  engine_.set_decode(slots, ends);
  for (const auto& answer : answers_) {
    if (!answer->ended()) continue;
    engine_.release_slot(answer->slot_index());
    free_.push_back(answer->slot_index());
    without_memory_.clear();
  }
  std::erase_if(answers_, [](const auto& answer) { return answer->ended(); });
  changed_ = false;
}

Answer* Scheduler::next_reader() {
  Answer* chosen = nullptr;
  for (const auto& answer : answers_) {
    if (!answer->reading() || std::ranges::count(without_memory_, answer.get()) > 0) continue;
    if (chosen == nullptr || (shortest_next_ && answer->left() < chosen->left())) chosen = answer.get();
  }
  shortest_next_ = !shortest_next_;
  return chosen;
}

void Scheduler::read_next() {
  Answer* reader = next_reader();
  if (reader == nullptr) return;
  drain();  // reading waits for them anyway
  undisturbed_ = false;
  uint32_t most = reader->left();
  if (!batch_.empty()) {
    // Beside the batch, an answer waits for the step before it and for its own.
    const double seconds = std::max(longest_stall_ - 2 * step_seconds_, longest_stall_ / 4);
    most = engine_.tokens_within(seconds, reader->slot().computed, most);
  }
  try {
    if (!reader->read(most)) reader->end(StopReason::kCancelled);
  } catch (const vulkan::DeviceLost&) {
    throw;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kMemory) throw;
    wait_for_memory(*reader, error.what());
  }
  if (!reader->reading()) changed_ = true;
}

void Scheduler::wait_for_memory(Answer& reader, const std::string& error) {
  const bool others =
      any([&](const Answer& answer) { return &answer != &reader && !answer.ended() && !answer.reading(); });
  const bool readers = any([&](const Answer& answer) {
    return &answer != &reader && answer.reading() && std::ranges::count(without_memory_, &answer) == 0;
  });
  if (others || readers) {
    without_memory_.push_back(&reader);
  } else {
    reader.end(StopReason::kOutOfMemory, error);
  }
}

bool Scheduler::prepare_step(uint32_t& longest) {
  longest = 0;
  const auto ahead = static_cast<uint32_t>(in_flight_.size());
  for (Answer* answer : batch_) {
    if (answer->room() <= ahead) return false;
    const uint32_t size = static_cast<uint32_t>(answer->slot().tokens.size()) + ahead;
    longest = std::max(longest, size);
    try {
      // One token more than the step reads: a sequence that ends in it stays in the batch at its next
      // position.
      engine_.reserve(answer->slot_index(), std::min(engine_.context(), size + 1));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kMemory) throw;
      // What is in flight is still drawn, and needs no memory.
      if (ahead == 0) {
        answer->end(StopReason::kOutOfMemory, error.what());
        changed_ = true;
      }
      return false;
    }
  }
  return true;
}

void Scheduler::step() {
  if (batch_.empty()) return;
  const bool one_at_a_time =
      any([](const Answer& answer) { return answer.reading() || (!answer.ended() && answer.stepwise()); });
  const uint32_t ahead = one_at_a_time ? 1 : engine_.steps_ahead();
  while (in_flight_.size() < ahead) {
    uint32_t longest = 0;
    if (!prepare_step(longest)) break;
    in_flight_.push_back(engine_.submit_step(longest));
  }
  if (!in_flight_.empty()) take_step();
}

void Scheduler::take_step() {
  engine_.wait(in_flight_.front());
  in_flight_.pop_front();
  const Clock::time_point now = Clock::now();
  if (undisturbed_) {
    const double seconds = std::chrono::duration<double>(now - last_step_).count();
    step_seconds_ += (step_seconds_ == 0 ? 1 : 0.2) * (seconds - step_seconds_);
  }
  undisturbed_ = true;
  last_step_ = now;
  uint32_t drawn = 0;
  for (uint32_t i = 0; i < batch_.size(); ++i) {
    if (batch_[i]->ended()) continue;
    batch_[i]->take(i);
    ++drawn;
    if (batch_[i]->ended()) changed_ = true;
  }
  totals_.rate.add(drawn, now);
}

}  // namespace caldera::engine

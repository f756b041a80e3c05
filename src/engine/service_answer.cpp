#include "engine/service_answer.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "engine/sampling_check.hpp"
#include "engine/token_choice.hpp"
#include "vulkan/device_lost.hpp"

namespace caldera::engine {
namespace {

double seconds_between(Answer::Clock::time_point begin, Answer::Clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

}  // namespace

Answer::Answer(Engine& engine, const text::Tokenizer& tokenizer, std::shared_ptr<ServiceRequest> request,
               uint32_t slot, ServiceTotals& totals)
    : engine_(engine),
      request_(std::move(request)),
      slot_(slot),
      totals_(totals),
      text_(tokenizer, request_->request.stop),
      seed_(request_->request.sampling.seed ? *request_->request.sampling.seed : random_seed()) {
  const CompletionRequest& asked = request_->request;
  if (asked.pooling) pooled_.emplace(*asked.pooling, engine_.spec().width);
  if (!asked.ignore_end) end_tokens_ = tokenizer.end_of_generation();
  engine_.slot(slot_).tokens = asked.prompt;
  request_->stage = RequestStatus::Stage::kReading;
  end_.prompt_tokens = static_cast<uint32_t>(asked.prompt.size());
  end_.queue_seconds = seconds_between(request_->came, started_);
}

uint32_t Answer::room() {
  const auto size = static_cast<uint32_t>(slot().tokens.size());
  const uint32_t left = engine_.context() - std::min(engine_.context(), size);
  const uint32_t most = request_->request.max_tokens;
  return most == 0 ? left : std::min(left, most - end_.completion_tokens);
}

void Answer::count_read(uint32_t tokens, uint32_t cached) {
  end_.cached_tokens += cached;
  totals_.cached_prompt_tokens += cached;
  totals_.prompt_tokens += tokens;
  request_->read_tokens = slot().computed;
}

bool Answer::read_pooled(uint32_t most) {
  // Hidden states are not kept: after a lost device all are computed again.
  if (slot().computed != pooled_->tokens()) {
    slot().rewind(0);
    pooled_->restart();
  }
  const uint32_t first = slot().computed;
  const uint32_t read = engine_.read_some(slot_, most, [&] { return !request_->cancelled; });
  if (read == 0) return false;
  if (request_->read_tokens <= first) count_read(read, 0);
  const PooledState::Rows rows = pooled_->wanted(read, left() == 0);
  pooled_->add(read, rows.count > 0 ? engine_.hidden_of_read(rows.first, rows.count) : std::vector<float>());
  engine_.accomplished();
  if (left() > 0) return true;
  end_.embedding = pooled_->embedding();
  end(StopReason::kEnd);
  return true;
}

bool Answer::read(uint32_t most) {
  if (pooled_) return read_pooled(most);
  // What a lost device makes necessary was not asked for, and is not counted.
  const bool first = end_.completion_tokens == 0 && request_->read_tokens <= slot().computed;
  const uint32_t adopted = engine_.adopt_kept_prefix(slot_);
  const uint32_t read = engine_.read_some(slot_, most, [&] { return !request_->cancelled; });
  if (first) count_read(read, adopted);
  if (read == 0) return false;
  engine_.keep_prefix(slot_);
  if (left() > 0) return true;
  engine_.begin_parked(slot_, request_->request.sampling, seed_);
  set_mask();
  if (ended()) return true;
  engine_.draw_after(slot_, read);
  reading_ = false;
  take(0);
  return true;
}

void Answer::take(uint32_t row) {
  const Token token = slot().drawn(taken_++);
  engine_.accomplished();
  CompletionChunk chunk;
  chunk.tokens = {token};
  if (request_->request.top_logprobs) chunk.choices = {choice(token, row)};
  if (end_.completion_tokens++ == 0) {
    first_ = Clock::now();
    end_.prompt_seconds = seconds_between(started_, first_);
    request_->stage = RequestStatus::Stage::kAnswering;
  }
  request_->completion_tokens = end_.completion_tokens;
  ++totals_.completion_tokens;
  slot().tokens.push_back(token);
  // Its keys and values are computed by the step that follows, which may never come.
  slot().step_to(static_cast<uint32_t>(slot().tokens.size()) - 1);
  tell([&] {
    if (request_->request.constraint) request_->request.constraint->accept(token);
  });
  const bool on = goes_on(token, chunk.text);
  tell([&] { request_->listener->on_chunk(std::move(chunk)); });
  if (!on) return end(reason_);
  engine_.keep_prefix(slot_);
  set_mask();
}

bool Answer::goes_on(Token token, std::string& text) {
  const auto stops = [&](StopReason reason) {
    reason_ = reason;
    return false;
  };
  if (!request_->request.ignore_end && text_.is_end(token)) return stops(StopReason::kEnd);
  text = text_.push(token);
  if (text_.stopped()) return stops(StopReason::kStopString);
  if (room() > 0) return true;
  return stops(slot().tokens.size() >= engine_.context() ? StopReason::kContextFull : StopReason::kMaxTokens);
}

void Answer::set_mask() {
  if (request_->request.constraint == nullptr) return;
  try {
    mask_.assign((engine_.spec().vocabulary + 31) / 32, 0);
    request_->request.constraint->allow(mask_);
    if (std::ranges::all_of(mask_, [](uint32_t bits) { return bits == 0; })) return end(StopReason::kEnd);
    slot().set_mask(mask_);
  } catch (const vulkan::DeviceLost&) {
    throw;
  } catch (const std::exception& error) {  // who cannot say what is allowed ends one answer, not all
    end(StopReason::kCancelled, error.what());
  }
}

TokenChoice Answer::choice(Token drawn, uint32_t row) {
  std::vector<float> logits = engine_.logits_row(row);
  undo_penalties(logits, request_->request.sampling, slot().tokens);
  return choice_of(logits, drawn, *request_->request.top_logprobs);
}

void Answer::restart() {
  taken_ = 0;
  reading_ = true;
}

void Answer::end(StopReason reason, const std::string& error) {
  if (ended()) return;
  request_->ended = true;
  const Clock::time_point now = Clock::now();
  if (end_.completion_tokens == 0) {
    end_.prompt_seconds = seconds_between(started_, now);
  } else {
    end_.decode_seconds = seconds_between(first_, now);
  }
  end_.reason = reason;
  end_.error = error;
  if (reason == StopReason::kStopString) end_.stop_string = text_.stop_string();
  const bool failed = reason == StopReason::kOutOfMemory || reason == StopReason::kDeviceLost;
  ++(failed ? totals_.failed : reason == StopReason::kCancelled ? totals_.cancelled : totals_.finished);
  // Of the last ones, the latest more.
  const double usual = totals_.request_seconds;
  const double seconds = seconds_between(started_, now);
  totals_.request_seconds = usual == 0 ? seconds : usual + 0.2 * (seconds - usual);
  if (reason != StopReason::kCancelled) {
    CompletionChunk rest;
    rest.text = text_.finish();
    if (!rest.text.empty()) tell([&] { request_->listener->on_chunk(std::move(rest)); });
  }
  tell([&] { request_->listener->on_end(end_); });
}

template <class Call>
void Answer::tell(const Call& call) {
  try {
    call();
  } catch (...) {  // who cannot listen gets no more
    request_->cancelled = true;
  }
}

}  // namespace caldera::engine

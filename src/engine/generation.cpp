#include "engine/generation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <optional>

#include "caldera/error.hpp"
#include "engine/answer_text.hpp"
#include "engine/sampling_check.hpp"

namespace caldera::engine {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void check_context_end(const Engine& engine, const GenerateOptions& options) {
  const uint64_t least = least_shifting_context(options.keep);
  if (options.context_end == ContextEnd::kStop || engine.context() >= least) return;
  throw Error(
      ErrorKind::kUsage,
      fmt::format("a context of {} tokens cannot keep the first {} and forget others when it is full: "
                  "raise --context to {}, or keep fewer",
                  engine.context(), options.keep, least));
}

/// What the host keeps of one job while it runs.
class Stream {
 public:
  Stream(Engine& engine, const text::Tokenizer& tokenizer, const Job& job)
      : engine_(engine), job_(job), text_(tokenizer, job.options->stop) {
    result.seed = job.options->sampling.seed.value_or(0);
    if (!job.options->sampling.seed) result.seed = random_seed();
  }

  Slot& slot() { return engine_.slot(job_.slot); }
  uint32_t slot_index() const { return job_.slot; }
  const GenerateOptions& options() const { return *job_.options; }
  bool running() const { return running_; }
  /// Whether the host has to look at each draw before the next.
  bool stepwise() const { return options().constraint != nullptr; }
  /// Tokens that may still be drawn after those taken.
  uint32_t room() {
    const auto size = static_cast<uint32_t>(slot().tokens.size());
    const uint32_t left = engine_.context() - std::min(engine_.context(), size);
    if (options().max_tokens == 0) return left;
    return std::min(left, options().max_tokens - static_cast<uint32_t>(result.tokens.size()));
  }

  /// The device was lost: what it knew of the sequence is to be told it again.
  void restart() { taken_ = 0; }

  /// Before each draw: what the constraint allows. Ends the answer where that is nothing.
  void set_mask() {
    if (options().constraint == nullptr) return;
    mask_.assign((engine_.spec().vocabulary + 31) / 32, 0);
    options().constraint->allow(mask_);
    if (std::ranges::all_of(mask_, [](uint32_t bits) { return bits == 0; })) {
      stop(StopReason::kEnd);
    } else if (!granted([&] { slot().set_mask(mask_); })) {
      refuse();
    }
  }

  /// Reads what is to be read and draws the first token after it.
  void read() {
    engine_.adopt_prefix(job_.slot);
    // Only the first time: what a lost device makes necessary was not asked for.
    if (!started_) {
      const auto total = static_cast<uint32_t>(slot().tokens.size());
      result.reused_tokens = std::min(slot().computed, total - 1);
      result.prompt_tokens = total - result.reused_tokens;
      started_ = Clock::now();
    }
    const bool answering = !result.tokens.empty();
    const bool done = engine_.read(job_.slot, true, options().on_prompt);
    if (!answering) {
      result.prompt_seconds = seconds_since(*started_);
      // What a cancelled prompt has read may be nothing, where a lost device took what was there before.
      if (!done) result.prompt_tokens = slot().computed - std::min(slot().computed, result.reused_tokens);
    }
    if (done) {
      take();
    } else {
      stop(StopReason::kCancelled);
    }
  }

  /// Takes the next drawn token: appends it, passes its text on, and decides whether the answer goes on.
  void take() {
    const Token token = slot().drawn(taken_++);
    engine_.accomplished();
    result.tokens.push_back(token);
    slot().tokens.push_back(token);
    // Its keys and values are computed by the step that follows, which may never come.
    slot().step_to(static_cast<uint32_t>(slot().tokens.size()) - 1);
    if (options().constraint) options().constraint->accept(token);
    if (!options().ignore_end && text_.is_end(token)) {
      stop(StopReason::kEnd);
      return;
    }
    emit(text_.push(token));
    if (!running_) return;
    if (text_.stopped()) {
      stop(StopReason::kStopString);
    } else if (options().max_tokens > 0 && result.tokens.size() >= options().max_tokens) {
      stop(StopReason::kMaxTokens);
    } else if (full() && options().context_end == ContextEnd::kStop) {
      stop(StopReason::kContextFull);
    } else {
      set_mask();
    }
  }

  bool full() { return slot().tokens.size() >= engine_.context(); }
  /// Makes room by dropping tokens. With no step of it in flight. False when memory was refused.
  bool shift() {
    return granted([&] {
      const ContextShift drop = slot().next_drop(options().keep);
      if (drop.dropped == 0) return stop(StopReason::kContextFull);
      engine_.drop(job_.slot, drop);
      result.dropped_tokens += drop.dropped;
      slot().resume(result.seed);
    });
  }

  void stop(StopReason reason) {
    result.reason = reason;
    running_ = false;
    if (reason != StopReason::kCancelled) emit(text_.finish());
  }

  /// Makes room for all that is to be read and for the token drawn after it. False when memory was refused.
  bool reserve(uint32_t count) {
    return granted([&] { slot().reserve(std::min(engine_.context(), count)); });
  }
  /// Ends the answer because reserve() was refused.
  void refuse() { end(StopReason::kOutOfMemory, refusal_); }
  /// Ends the answer, if it has not ended, for a reason that is not its own.
  void end(StopReason reason, const std::string& error) {
    if (!running_) return;
    result.error = error;
    stop(reason);
  }

  /// Keeps only the pages of tokens that are computed. For a sequence that no step works on any more.
  void give_back_pages() { slot().truncate(static_cast<uint32_t>(slot().tokens.size())); }

  Generation result;

 private:
  /// Whether `work` found the memory that it needs.
  template <class Work>
  bool granted(const Work& work) {
    try {
      work();
      return true;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kMemory) throw;
      refusal_ = error.what();
      return false;
    }
  }
  void emit(const std::string& text) {
    if (text.empty()) return;
    result.text += text;
    if (options().on_text && !options().on_text(text) && running_) stop(StopReason::kCancelled);
  }

  Engine& engine_;
  Job job_;
  AnswerText text_;
  std::vector<uint32_t> mask_;  ///< with a constraint
  std::string refusal_;         ///< of the last reserve(), which may be granted when it is tried again
  std::optional<Clock::time_point> started_;  ///< to read
  uint32_t taken_ = 0;                        ///< since the slot was told to begin
  bool running_ = true;
};

bool any_running(const std::vector<Stream>& streams) {
  return std::any_of(streams.begin(), streams.end(), [](const Stream& stream) { return stream.running(); });
}

/// Reads the prompts of the running streams, which are the decode batch, and draws their first tokens.
void read_prompts(const text::Tokenizer& tokenizer, std::vector<Stream>& streams) {
  uint32_t entry = 0;
  for (Stream& stream : streams) {
    if (!stream.running()) continue;
    Slot& slot = stream.slot();
    const std::vector<Token> none;
    slot.begin(stream.options().sampling, stream.result.seed, entry++,
               stream.options().ignore_end ? none : tokenizer.end_of_generation());
    stream.set_mask();
    if (stream.running()) stream.read();
  }
}

void leave_if_stopped(Engine& engine, Stream& stream) {
  if (!stream.running()) engine.leave_decode(stream.slot_index());
}

/// Makes room for one step more than the `in_flight` that are under way; `longest`: tokens of the longest
/// sequence with that step. With nothing in flight, a sequence whose memory is refused ends; the others go
/// on. Returns whether the step can be submitted.
bool prepare_step(Engine& engine, std::vector<Stream>& streams, uint32_t in_flight, Clock::time_point start,
                  uint32_t& longest) {
  longest = 0;
  for (Stream& stream : streams) {
    if (!stream.running()) continue;
    if (stream.room() <= in_flight) return false;
    longest = std::max(longest, static_cast<uint32_t>(stream.slot().tokens.size()) + in_flight);
  }
  for (Stream& stream : streams) {
    if (!stream.running()) continue;
    // One token more than the step reads: a sequence that ends in it stays in the batch at its next position.
    if (stream.reserve(static_cast<uint32_t>(stream.slot().tokens.size()) + in_flight + 1)) continue;
    // What is in flight is still drawn, and needs no memory.
    if (in_flight > 0) return false;
    stream.refuse();
    stream.result.decode_seconds = seconds_since(start);
    leave_if_stopped(engine, stream);
  }
  return any_running(streams);
}

/// Makes room in those sequences whose context is full. Nothing may be in flight.
void shift_full(Engine& engine, std::vector<Stream>& streams, Clock::time_point start) {
  for (Stream& stream : streams) {
    if (!stream.running() || !stream.full() || stream.shift()) continue;
    stream.refuse();
    stream.result.decode_seconds = seconds_since(start);
    leave_if_stopped(engine, stream);
  }
}

void decode(Engine& engine, std::vector<Stream>& streams, Clock::time_point start) {
  std::deque<uint64_t> in_flight;
  while (any_running(streams)) {
    if (in_flight.empty()) shift_full(engine, streams, start);
    // Submit ahead as long as every sequence has room for what the step will draw.
    const bool one_at_a_time = std::ranges::any_of(
        streams, [](const Stream& stream) { return stream.running() && stream.stepwise(); });
    while (in_flight.size() < (one_at_a_time ? 1 : engine.steps_ahead())) {
      uint32_t longest = 0;
      if (!prepare_step(engine, streams, static_cast<uint32_t>(in_flight.size()), start, longest)) break;
      in_flight.push_back(engine.submit_step(longest));
    }
    if (in_flight.empty()) continue;  // someone was refused; without them there may be room
    engine.wait(in_flight.front());
    in_flight.pop_front();
    for (Stream& stream : streams) {
      if (!stream.running()) continue;
      stream.take();
      if (stream.running()) continue;
      stream.result.decode_seconds = seconds_since(start);
      leave_if_stopped(engine, stream);
    }
  }
  engine.wait_all();
}

/// Everything from the tokens of the running streams to the last that is drawn. `decoding_since`: when
/// decoding began, which is set here. Errors: DeviceLost, after which it may be called again.
void run(Engine& engine, const text::Tokenizer& tokenizer, std::vector<Stream>& streams,
         std::optional<Clock::time_point>& decoding_since) {
  std::vector<uint32_t> slots;
  slots.reserve(streams.size());
  for (Stream& stream : streams) {
    if (!stream.running()) continue;
    const bool room = !stream.full() || stream.shift();
    if (room && stream.running() && stream.reserve(static_cast<uint32_t>(stream.slot().tokens.size()) + 1)) {
      slots.push_back(stream.slot_index());
    } else {
      // What it got before the refusal may be enough for those after it. A read that was cancelled may still
      // be under way.
      engine.wait_all();
      stream.give_back_pages();
      stream.refuse();
    }
  }
  if (slots.empty()) return;
  engine.begin_decode(slots);
  read_prompts(tokenizer, streams);
  for (Stream& stream : streams) {
    if (std::find(slots.begin(), slots.end(), stream.slot_index()) != slots.end())
      leave_if_stopped(engine, stream);
  }
  if (!decoding_since) decoding_since = Clock::now();
  decode(engine, streams, *decoding_since);
}

/// run(), whatever becomes of the device. Errors: none of the device's.
void run_to_the_end(Engine& engine, const text::Tokenizer& tokenizer, std::vector<Stream>& streams) {
  std::optional<Clock::time_point> decoding_since;
  engine.begin_call();
  for (;;) {
    try {
      return run(engine, tokenizer, streams, decoding_since);
    } catch (const vulkan::DeviceLost& loss) {
      if (!any_running(streams)) return;  // the next call will hear of it
      for (Stream& stream : streams) stream.restart();
      try {
        if (engine.recover(loss)) continue;
        for (Stream& stream : streams) stream.end(StopReason::kCancelled, {});
      } catch (const Error& error) {
        for (Stream& stream : streams) stream.end(StopReason::kDeviceLost, error.what());
      }
      return;
    }
  }
}

}  // namespace

std::vector<Generation> generate(Engine& engine, const text::Tokenizer& tokenizer,
                                 std::span<const Job> jobs) {
  std::vector<Stream> streams;
  streams.reserve(jobs.size());
  for (const Job& job : jobs) {
    check_sampling(job.options->sampling);
    const Slot& slot = engine.slot(job.slot);
    if (slot.tokens.empty())
      throw Error(ErrorKind::kUsage, "there is nothing to go on from: the sequence is empty");
    check_context_end(engine, *job.options);
    if (slot.tokens.size() >= engine.context() && job.options->context_end == ContextEnd::kStop) {
      throw Error(
          ErrorKind::kContext,
          fmt::format(
              "the prompt fills the context of {} tokens and leaves no room for an answer: shorten it "
              "or raise --context",
              engine.context()));
    }
    streams.emplace_back(engine, tokenizer, job);
  }
  engine.forget_longest_submission();
  run_to_the_end(engine, tokenizer, streams);
  // Only now: what is refused in mid-answer stays in the batch, and is computed with the others.
  for (Stream& stream : streams) {
    if (stream.result.reason == StopReason::kOutOfMemory) stream.give_back_pages();
  }
  std::vector<Generation> results;
  results.reserve(streams.size());
  for (Stream& stream : streams) {
    stream.result.longest_submission = engine.longest_submission();
    results.push_back(std::move(stream.result));
  }
  return results;
}

}  // namespace caldera::engine

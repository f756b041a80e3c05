#include "engine/engine.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "caldera/error.hpp"
#include "model/transfer.hpp"
#include "plan/limits.hpp"

namespace caldera::engine {
namespace {

constexpr double kMostPatience = 1e6;
/// Seconds. Less than that, submitting costs more than what is submitted; more, and watchdogs bite.
constexpr double kLeastTarget = 1e-3;
constexpr double kMostTarget = 10;

LoadOptions checked(const model::ModelSpec& spec, const LoadOptions& options) {
  if (options.sequences < 1 || options.sequences > plan::kMaxSequences) {
    throw Error(ErrorKind::kUsage, fmt::format("{} sequences were asked for: 1 to {} are possible",
                                               options.sequences, plan::kMaxSequences));
  }
  if (options.context > model::kMaxContext) {
    throw Error(ErrorKind::kUsage, fmt::format("a context of {} tokens was asked for: up to {} are possible",
                                               options.context, model::kMaxContext));
  }
  if (options.prefill_rows > 4096) {
    throw Error(ErrorKind::kUsage,
                fmt::format("prefill batches of {} tokens were asked for: up to 4096 are possible",
                            options.prefill_rows));
  }
  if (!(options.patience >= 0 && options.patience <= kMostPatience)) {
    throw Error(
        ErrorKind::kUsage,
        fmt::format("the patience with the device must be between 0 and {:.0f} seconds", kMostPatience));
  }
  if (!(options.submit_target >= kLeastTarget && options.submit_target <= kMostTarget)) {
    throw Error(ErrorKind::kUsage, fmt::format("submissions of {} s were asked for: {} to {} are possible",
                                               options.submit_target, kLeastTarget, kMostTarget));
  }
  if (options.ring_bytes > model::kMaxRing) {
    throw Error(ErrorKind::kUsage, fmt::format("a ring of {} bytes was asked for: up to {} are possible",
                                               options.ring_bytes, model::kMaxRing));
  }
  model::demand_kv_formats(spec, options.kv);
  return options;
}

}  // namespace

Engine::Engine(const gguf::File& file, const model::ModelSpec& spec, const LoadOptions& options)
    : Engine(spec, options, weights_of(file, spec, options)) {}

Engine::Engine(model::ModelSpec spec, const LoadOptions& options, MakeWeights make_weights)
    : spec_(std::move(spec)),
      options_(checked(spec_, options)),
      make_weights_(std::move(make_weights)),
      slots_(options_.sequences) {
  load();
  device_info_ = resident_->physical().info;
  report_ = resident_->weights().report;
  parameters_ = resident_->weights().parameters;
  context_ = resident_->context();
  demand_room_to_keep();
}

uint32_t Engine::open_slot() {
  const auto free = std::ranges::find_if(slots_, [](const Slot& slot) { return !slot.open; });
  if (free == slots_.end()) {
    throw Error(
        ErrorKind::kUsage,
        fmt::format("all {} sessions of the model are in use: load it with more sequences", slots_.size()));
  }
  free->open = true;
  return static_cast<uint32_t>(free - slots_.begin());
}

void Engine::close_slot(uint32_t slot) {
  truncate_slot(slot, 0);
  slots_[slot].open = false;
}

void Engine::truncate_slot(uint32_t slot, uint32_t length) {
  settle();
  slots_[slot].truncate(length);
}

bool Engine::submit_read(uint32_t index, uint32_t total, uint32_t before, const ReadCallback& progress) {
  Slot& slot = slots_[index];
  resident().wait_all();  // the pages may still be read
  // Of kept sequences only what was decoded since is read again, few tokens, and as they were decoded.
  uint32_t left = total - slot.computed;
  if (resident().copier() != nullptr && resident().steps_apart()) left = slot.alike(left);
  const uint32_t count = resident().next_read(slot.computed, left);
  reserve(index, slot.computed + count);
  Submitter::Progress part;
  if (progress) {
    part = [&](double share) {
      const auto done = static_cast<uint32_t>(share * count);
      return progress(slot.computed - before + done, total - before);
    };
  }
  if (!resident().submit_read(index, std::span(slot.tokens).subspan(slot.computed, count), slot.computed,
                              part))
    return false;
  if (count == 1) {
    slot.step_to(slot.computed + 1);
  } else {
    slot.computed += count;
  }
  keep_pages();
  return true;
}

bool Engine::read(uint32_t index, bool sample, const ReadCallback& progress) {
  Slot& slot = slots_[index];
  const auto total = static_cast<uint32_t>(slot.tokens.size());
  if (total == 0) throw Error(ErrorKind::kUsage, "there is nothing to read: the sequence is empty");
  slot.rewind(total - 1);  // the last token is always read, for its logits
  const uint32_t before = slot.computed;
  uint32_t begin = before;  // of the batch read last
  while (slot.computed < total) {
    if (progress && !progress(slot.computed - before, total - before)) return false;
    begin = slot.computed;
    if (!submit_read(index, total, before, progress)) return false;
  }
  keep_tail(index);
  wait(resident().submit_outputs(total - 1 - begin, 1, sample));
  return !progress || progress(total - before, total - before);
}

std::vector<float> Engine::try_logits_from(uint32_t index, uint32_t first) {
  Slot& slot = slots_[index];
  const auto total = static_cast<uint32_t>(slot.tokens.size());
  std::vector<float> all;
  if (first >= total) return all;
  slot.rewind(first);
  while (slot.computed < total) {
    const uint32_t begin = slot.computed;
    submit_read(index, total, begin, {});
    for (uint32_t at = std::max(begin, first); at < slot.computed; at += plan::kLogitRows) {
      const uint32_t outputs = std::min(plan::kLogitRows, slot.computed - at);
      resident().submit_outputs(at - begin, outputs, false);
      const std::vector<float> rows = resident().download_logits(outputs);
      all.insert(all.end(), rows.begin(), rows.end());
    }
  }
  return all;
}

void Engine::drop(uint32_t index, const ContextShift& shift) {
  Slot& slot = slots_[index];
  const uint32_t behind = shift.kept + shift.dropped;
  if (slot.computed >= behind) {
    try {
      keep_pages();
      keep_tail(index);
      wait_all();
      resident().drop(index, shift.kept, shift.dropped, slot.computed);
      slot.computed -= shift.dropped;
    } catch (const vulkan::DeviceLost& loss) {
      drop_resident(loss);
    }
  } else {
    settle();
    slot.forget(std::min(slot.computed, shift.kept));
  }
  slot.drop(shift);
  if (resident_ != nullptr && !slot.tokens.empty())
    resident_->place_in_decode(index, static_cast<uint32_t>(slot.tokens.size()) - 1);
}

void Engine::begin_decode(std::span<const uint32_t> slots) {
  std::vector<kernels::Entry> entries;
  entries.reserve(slots.size());
  for (const uint32_t slot : slots) {
    // A sequence that never draws (its prompt was cancelled) is computed with the others all the same: at its
    // last token, whose keys and values are not counted as computed yet, never over those that are.
    const std::vector<Token>& tokens = slots_[slot].tokens;
    entries.push_back(
        {static_cast<uint32_t>(tokens.back()), static_cast<uint32_t>(tokens.size()) - 1, slot, 0});
  }
  resident().begin_decode(entries);
}

}  // namespace caldera::engine

#include "engine/profiler.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <type_traits>

#include "engine/kv_reads.hpp"
#include "engine/median.hpp"

namespace caldera::engine {
namespace {

std::string_view epilogue_name(kernels::Epilogue epilogue) {
  switch (epilogue) {
    case kernels::Epilogue::kAdd:
      return " add";
    case kernels::Epilogue::kSwiGlu:
      return " swiglu";
    default:
      return "";
  }
}

double sum_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

uint64_t kv_bytes_of(const kernels::AttentionShape& shape) {
  return kv_bytes_per_token(shape.kv_heads, shape.head, {shape.k_format, shape.v_format});
}

}  // namespace

Profiler::Role Profiler::role_of(const model::Operation& operation) {
  return std::visit(
      [](const auto& op) -> Role {
        using Op = std::decay_t<decltype(op)>;
        if constexpr (std::is_same_v<Op, kernels::Product>) {
          const kernels::Matrix& weights = *op.weights;
          return {fmt::format(" {}x{}{}", weights.rows, weights.columns, epilogue_name(op.epilogue)),
                  uint64_t{weights.rows} * weights.layout.row_bytes, 0, 0};
        } else if constexpr (std::is_same_v<Op, kernels::Attention>) {
          return {"", 0, kv_bytes_of(op.shape), op.shape.window};
        } else if constexpr (std::is_same_v<Op, kernels::DecodeAttention>) {
          return {"", 0, kv_bytes_of(op.rope.shape), op.rope.shape.window};
        } else {
          return {};
        }
      },
      operation);
}

const vulkan::Recording& Profiler::timed(const vulkan::Recording& plain, kernels::Kernels::Target target,
                                         std::span<const model::Operation* const> operations) {
  collect();
  std::unique_ptr<Timed>& timed = timed_[&plain];
  if (timed == nullptr) {
    auto made = std::make_unique<Timed>(device_, plain.shape().dispatches);
    target.recording = &made->recording;
    for (const model::Operation* operation : operations) {
      std::visit([&](const auto& op) { kernels_.record(target, op); }, *operation);
      // What an operation reads counts with its first dispatch; others merge, or go on with further rows.
      Role role = role_of(*operation);
      while (made->roles.size() < made->recording.shape().dispatches) {
        made->roles.push_back(role);
        role = {role.shape, 0, 0, 0};
      }
    }
    made->recording.finish();
    timed = std::move(made);
  }
  running_ = timed.get();
  return timed->recording;
}

void Profiler::collect() {
  if (running_ == nullptr) return;
  const Timed& done = *running_;
  running_ = nullptr;
  double ended = 0;
  const std::vector<vulkan::Timestamps::Span> spans = done.timestamps.read();
  for (size_t i = 0; i < spans.size(); ++i) {
    const Role& role = done.roles[i];
    if (i > 0 && spans[i].begin > ended) gaps_.push_back(spans[i].begin - ended);
    Sum& sum = sums_[std::string(spans[i].kernel) + role.shape];
    sum.seconds.push_back(std::max(0.0, spans[i].end - std::max(spans[i].begin, ended)));
    const uint32_t keys = role.window > 0 ? std::min(role.window, keys_) : keys_;
    sum.bytes += static_cast<double>(role.weight_bytes + role.kv_bytes * keys * sequences_);
    ended = std::max(ended, spans[i].end);
  }
  dispatches_ += done.recording.shape().dispatches;
  barriers_ += done.recording.shape().barriers;
}

void Profiler::begin_run(uint32_t keys, uint32_t sequences) {
  keys_ = keys;
  sequences_ = sequences;
}

void Profiler::end_run() {
  collect();
  ++runs_;
}

void Profiler::forget() {
  runs_ = 0;
  dispatches_ = 0;
  barriers_ = 0;
  sums_.clear();
  gaps_.clear();
}

Profile Profiler::profile() const {
  Profile profile;
  profile.runs = runs_;
  if (runs_ == 0) return profile;
  const double runs = runs_;
  for (const auto& [name, sum] : sums_) {
    profile.operations.push_back({name, static_cast<double>(sum.seconds.size()) / runs,
                                  sum_of(sum.seconds) / runs, median(sum.seconds), sum.bytes / runs});
    profile.seconds += profile.operations.back().seconds;
  }
  std::stable_sort(profile.operations.begin(), profile.operations.end(),
                   [](const auto& a, const auto& b) { return a.seconds > b.seconds; });
  profile.dispatches = static_cast<double>(dispatches_) / runs;
  profile.barriers = static_cast<double>(barriers_) / runs;
  profile.gaps = static_cast<double>(gaps_.size()) / runs;
  profile.gap_seconds = sum_of(gaps_) / runs;
  profile.median_gap_seconds = median(gaps_);
  profile.seconds += profile.gap_seconds;
  return profile;
}

}  // namespace caldera::engine

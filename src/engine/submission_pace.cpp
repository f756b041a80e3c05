#include "engine/submission_pace.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace caldera::engine {
namespace {

/// Share of the target that a part is to take: times vary.
constexpr double kAim = 0.8;
/// Share of the target that parts must be predicted to take, to be learned from.
constexpr double kTelling = 0.1;
/// Prompts are read by at least so many tokens.
constexpr uint32_t kLeastTokens = 2;
/// Depths at which the speed of a long prompt is predicted.
constexpr uint32_t kDepths = 16;

bool whole(const PassWork& pass, const OperationRun& run) {
  return run.begin == 0 && run.end == pass.operations.size();
}

Work work_of(const PassWork& pass, const OperationRun& run, const PassTokens& tokens) {
  if (whole(pass, run)) return sum_of(pass.all, tokens);
  return sum_of(std::span(pass.operations).subspan(run.begin, run.end - run.begin), tokens);
}

WorkClass class_of(const PassWork& pass, const OperationRun& run, const PassTokens& tokens) {
  return work_class(run.begin >= pass.head ? PassKind::kHead : pass.kind, tokens.columns);
}

PassTokens prompt(uint32_t first, uint32_t tokens) {
  return {.columns = tokens, .first = first, .neighbours = true};
}

}  // namespace

PassWork::PassWork(PassKind of, std::vector<OperationWork> work, size_t from)
    : kind(of), operations(std::move(work)), head(from), cuts(operations), all(merged(operations)) {}

SubmissionPace::SubmissionPace(const Options& options)
    : options_(options), costs_(options.units_per_second) {}

double SubmissionPace::seconds(const PassWork& pass, const OperationRun& run,
                               const PassTokens& tokens) const {
  return costs_.seconds(class_of(pass, run, tokens), work_of(pass, run, tokens));
}

void SubmissionPace::observe(const PassWork& pass, const OperationRun& run, const PassTokens& tokens,
                             double seconds) {
  const WorkClass of = class_of(pass, run, tokens);
  const Work work = work_of(pass, run, tokens);
  if (!whole(pass, run) && std::max(seconds, costs_.seconds(of, work)) < kTelling * options_.target) return;
  costs_.observe(of, work, seconds);
}

bool SubmissionPace::cut(const PassWork& pass, const PassTokens& tokens, uint32_t node,
                         std::vector<OperationRun>& parts) const {
  const PassCuts::Node& whole = pass.cuts.nodes()[node];
  const bool fits = seconds(pass, whole.run, tokens) <= kAim * options_.target;
  if (fits || whole.first == 0) {
    parts.push_back(whole.run);
    return fits;
  }
  const bool first = cut(pass, tokens, whole.first, parts);
  const bool second = cut(pass, tokens, whole.second, parts);
  return first && second;
}

std::vector<OperationRun> SubmissionPace::parts(const PassWork& pass, const PassTokens& tokens) const {
  std::vector<OperationRun> parts;
  cut(pass, tokens, 0, parts);
  return parts;
}

NextRead SubmissionPace::next_read(const PassWork& reading, uint32_t first, uint32_t left) const {
  NextRead next{std::min(left, options_.most_tokens), {}};
  while (!cut(reading, prompt(first, next.tokens), 0, next.parts) && next.tokens > kLeastTokens) {
    next.parts.clear();
    next.tokens = std::bit_ceil(next.tokens) / 2;
  }
  if (left - next.tokens == 1 && next.tokens > kLeastTokens) --next.tokens;
  return next;
}

uint32_t SubmissionPace::steps_ahead(const PassWork& step, const PassTokens& tokens) const {
  const OperationRun all{0, static_cast<uint32_t>(step.operations.size())};
  const double one = seconds(step, all, tokens);
  if (one * options_.most_ahead <= most_under_way()) return options_.most_ahead;
  return std::max(1U, static_cast<uint32_t>(most_under_way() / one));
}

double SubmissionPace::seconds_to_read(const PassWork& reading, uint32_t first, uint32_t tokens) const {
  if (!has_read()) return 0;
  // The time of a token grows slowly with the depth, so a few depths stand for all.
  double sum = 0;
  const uint32_t depths = std::clamp(tokens / std::max(options_.most_tokens, 1U), 1U, kDepths);
  for (uint32_t i = 0; i < depths; ++i) {
    const uint64_t begin = uint64_t{tokens} * i / depths;
    const auto stretch = static_cast<uint32_t>(uint64_t{tokens} * (i + 1) / depths - begin);
    const uint32_t batch = std::min(stretch, options_.most_tokens);
    const auto depth = static_cast<uint32_t>(first + begin + (stretch - batch) / 2);
    const NextRead read = next_read(reading, depth, batch);
    double seconds_of_batch = 0;
    for (const OperationRun& run : read.parts)
      seconds_of_batch += seconds(reading, run, prompt(depth, read.tokens));
    if (read.tokens > 0) sum += seconds_of_batch * stretch / read.tokens;
  }
  return sum;
}

}  // namespace caldera::engine

#include "cli/settings.hpp"

#include <fmt/format.h>

#include <array>
#include <limits>

#include "caldera/error.hpp"
#include "cli/output.hpp"
#include "cli/parse.hpp"

namespace caldera::cli {
namespace {

using Options = GenerateOptions;
using Text = std::string_view;

constexpr uint64_t kMaxCount = std::numeric_limits<uint32_t>::max();
constexpr uint64_t kMaxTopK = 1024;  // the sampler keeps this many candidates
constexpr float kMaxPenalty = 100;   // far past where a distribution is all zeros and ones

uint32_t parse_count(Text name, Text value, uint64_t most = kMaxCount) {
  return static_cast<uint32_t>(parse_integer(name, value, 0, most));
}

constexpr std::array kSettings = {
    Setting{"max-tokens", "-n,--max-tokens", "Most tokens to generate; 0: until the model ends (default 0)",
            [](Options& o, Text name, Text value) { o.max_tokens = parse_count(name, value); },
            [](const Options& o) { return fmt::format("{}", o.max_tokens); }},
    Setting{
        "temperature", "--temperature,--temp", "Randomness; 0: always the likeliest token (default 0.8)",
        [](Options& o, Text name, Text value) { o.sampling.temperature = parse_number(name, value, 0, 100); },
        [](const Options& o) { return fmt::format("{}", o.sampling.temperature); }},
    Setting{"top-k", "--top-k", "Draw from the k likeliest tokens; 0: off (default 40)",
            [](Options& o, Text name, Text value) { o.sampling.top_k = parse_count(name, value, kMaxTopK); },
            [](const Options& o) { return fmt::format("{}", o.sampling.top_k); }},
    Setting{
        "top-p", "--top-p",
        "Draw from the likeliest tokens that make up this probability; 1: off (default 0.95)",
        [](Options& o, Text name, Text value) { o.sampling.top_p = parse_number(name, value, 0, 1, true); },
        [](const Options& o) { return fmt::format("{}", o.sampling.top_p); }},
    Setting{"min-p", "--min-p",
            "Least probability, as a share of the likeliest token's; 0: off (default 0.05)",
            [](Options& o, Text name, Text value) { o.sampling.min_p = parse_number(name, value, 0, 1); },
            [](const Options& o) { return fmt::format("{}", o.sampling.min_p); }},
    Setting{"repeat-penalty", "--repeat-penalty", "Divides the logits of seen tokens; 1: off (default 1)",
            [](Options& o, Text name, Text value) {
              o.sampling.repeat_penalty = parse_number(name, value, 0, kMaxPenalty, true);
            },
            [](const Options& o) { return fmt::format("{}", o.sampling.repeat_penalty); }},
    Setting{"presence-penalty", "--presence-penalty", "Taken once from the logits of seen tokens (default 0)",
            [](Options& o, Text name, Text value) {
              o.sampling.presence_penalty = parse_number(name, value, -kMaxPenalty, kMaxPenalty);
            },
            [](const Options& o) { return fmt::format("{}", o.sampling.presence_penalty); }},
    Setting{"frequency-penalty", "--frequency-penalty", "Taken per occurrence of a seen token (default 0)",
            [](Options& o, Text name, Text value) {
              o.sampling.frequency_penalty = parse_number(name, value, -kMaxPenalty, kMaxPenalty);
            },
            [](const Options& o) { return fmt::format("{}", o.sampling.frequency_penalty); }},
    Setting{"penalty-window", "--penalty-window", "How many of the last tokens count as seen (default 64)",
            [](Options& o, Text name, Text value) { o.sampling.penalty_window = parse_count(name, value); },
            [](const Options& o) { return fmt::format("{}", o.sampling.penalty_window); }},
    Setting{
        "context-end", "--context-end",
        "When the context is full: stop, or shift (forget the oldest and go on) (default stop)",
        [](Options& o, Text name, Text value) {
          if (value != "stop" && value != "shift") {
            throw Error(ErrorKind::kUsage,
                        fmt::format("{} must be stop or shift, not '{}'", name, escape(shorten(value, 40))));
          }
          o.context_end = value == "shift" ? ContextEnd::kShift : ContextEnd::kStop;
        },
        [](const Options& o) { return std::string(o.context_end == ContextEnd::kShift ? "shift" : "stop"); }},
    Setting{"keep", "--keep",
            "With shift: first tokens that are never forgotten (default 4; in a chat at least the system "
            "message)",
            [](Options& o, Text name, Text value) { o.keep = parse_count(name, value); },
            [](const Options& o) { return fmt::format("{}", o.keep); }},
    Setting{"seed", "--seed", "The same seed gives the same text on the same device (default: random)",
            [](Options& o, Text name, Text value) {
              if (value == "random") {
                o.sampling.seed.reset();
              } else {
                o.sampling.seed = parse_integer(name, value, 0, std::numeric_limits<uint64_t>::max());
              }
            },
            [](const Options& o) {
              return o.sampling.seed ? fmt::format("{}", *o.sampling.seed) : std::string("random");
            }},
};

}  // namespace

std::span<const Setting> settings() {
  return kSettings;
}

}  // namespace caldera::cli

#include "model/position_scaling.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "caldera/error.hpp"

namespace caldera::model {
namespace {

/// Far beyond what keeps any sense in a model's answers.
constexpr double kMostFactor = 1024;

double factor_for(double asked, uint32_t context, uint32_t trained) {
  const double factor = asked != 0 ? asked : std::max(1.0, static_cast<double>(context) / trained);
  if (factor >= 1 && factor <= kMostFactor) return factor;
  throw Error(
      ErrorKind::kUsage,
      asked != 0
          ? fmt::format("positions cannot be stretched {} times: 1 to {} are possible", asked, kMostFactor)
          : fmt::format("a context of {} tokens is {:.0f} times the {} that the model was trained "
                        "for: up to {} times are possible",
                        context, factor, trained, kMostFactor));
}

}  // namespace

uint32_t trained_context(const ModelSpec& spec) {
  const RopeSpec& rope = spec.rope;
  double trained = spec.context;
  if (rope.original_context >= 1) {
    trained = std::min(trained, rope.original_context);
  } else if (rope.scaling == RopeScaling::kLinear && rope.factor > 1) {
    trained /= rope.factor;
  }
  return std::max(1U, static_cast<uint32_t>(trained));
}

void scale_positions(ModelSpec& spec, PositionScaling how, double factor, uint32_t context) {
  if (how == PositionScaling::kAsFile) {
    if (factor == 0) return;
    throw Error(ErrorKind::kUsage,
                "a factor to stretch positions by needs a way to do it: --rope-scaling yarn or linear");
  }
  RopeSpec& rope = spec.rope;
  const uint32_t trained = trained_context(spec);
  if (how == PositionScaling::kNone) {
    if (factor != 0) {
      throw Error(ErrorKind::kUsage, "positions that are not scaled have no factor: leave one of them out");
    }
    rope.scaling = RopeScaling::kNone;
    rope.factor = 1;
    spec.context = trained;
    return;
  }
  const RopeScaling wanted = how == PositionScaling::kLinear ? RopeScaling::kLinear : RopeScaling::kYarn;
  const bool same = rope.scaling == wanted;
  if (factor == 0 && same && context <= spec.context) return;
  if (factor == 0 && context == 0) {
    throw Error(ErrorKind::kUsage,
                fmt::format("there is nothing to stretch positions to: give --context a number above the {} "
                            "tokens that the model was trained for, or give --rope-factor",
                            trained));
  }
  if (!same) {
    const RopeSpec usual;
    rope.extrapolation = usual.extrapolation;
    rope.attention_factor = usual.attention_factor;
    rope.beta_fast = usual.beta_fast;
    rope.beta_slow = usual.beta_slow;
  }
  rope.original_context = trained;
  rope.factor = factor_for(factor, context, trained);
  rope.scaling = rope.factor > 1 ? wanted : RopeScaling::kNone;
  const double reach = std::round(trained * rope.factor);
  spec.context = static_cast<uint32_t>(std::clamp(reach, 1.0, double{kMaxContext}));
}

}  // namespace caldera::model

// Contexts longer than the trained one: which scaling and factor come of what is asked for, and the
// frequencies that these give beside the formulas of transformers' modeling_rope_utils.py.
#include "model/position_scaling.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "caldera/error.hpp"
#include "model/rope_table.hpp"

namespace caldera::model {
namespace {

ModelSpec plain(uint32_t context) {
  ModelSpec spec;
  spec.context = context;
  spec.rope.rotated = 64;
  return spec;
}

ModelSpec yarn_file() {
  ModelSpec spec = plain(131072);
  spec.rope.scaling = RopeScaling::kYarn;
  spec.rope.factor = 4;
  spec.rope.original_context = 32768;
  spec.rope.beta_fast = 16;
  return spec;
}

ModelSpec linear_file() {
  ModelSpec spec = plain(16384);
  spec.rope.scaling = RopeScaling::kLinear;
  spec.rope.factor = 4;
  return spec;
}

ModelSpec scaled(ModelSpec spec, PositionScaling how, double factor, uint32_t context) {
  scale_positions(spec, how, factor, context);
  return spec;
}

void expect_refused(const ModelSpec& spec, PositionScaling how, double factor, uint32_t context) {
  try {
    scaled(spec, how, factor, context);
    FAIL() << "was not refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage) << error.what();
  }
}

TEST(PositionScalingTest, TrainedContext) {
  EXPECT_EQ(trained_context(plain(8192)), 8192U);
  EXPECT_EQ(trained_context(yarn_file()), 32768U);
  EXPECT_EQ(trained_context(linear_file()), 4096U);
  ModelSpec odd = plain(8192);
  odd.rope.original_context = 1e300;
  EXPECT_EQ(trained_context(odd), 8192U);
  odd.rope = {.rotated = 64, .scaling = RopeScaling::kLinear, .factor = 1e300};
  EXPECT_EQ(trained_context(odd), 1U);
}

TEST(PositionScalingTest, TheFileStands) {
  for (const ModelSpec& spec : {plain(2048), yarn_file(), linear_file()}) {
    const ModelSpec same = scaled(spec, PositionScaling::kAsFile, 0, 1 << 20);
    EXPECT_EQ(same.rope.scaling, spec.rope.scaling);
    EXPECT_EQ(same.rope.factor, spec.rope.factor);
    EXPECT_EQ(same.context, spec.context);
    expect_refused(spec, PositionScaling::kAsFile, 2, 0);
  }
}

TEST(PositionScalingTest, FactorFromTheContext) {
  const ModelSpec yarn = scaled(plain(32768), PositionScaling::kYarn, 0, 131072);
  EXPECT_EQ(yarn.rope.scaling, RopeScaling::kYarn);
  EXPECT_EQ(yarn.rope.factor, 4);
  EXPECT_EQ(yarn.rope.original_context, 32768);
  EXPECT_EQ(yarn.context, 131072U);
  const ModelSpec linear = scaled(plain(2048), PositionScaling::kLinear, 0, 3072);
  EXPECT_EQ(linear.rope.scaling, RopeScaling::kLinear);
  EXPECT_EQ(linear.rope.factor, 1.5);
  EXPECT_EQ(linear.context, 3072U);
  // Short contexts need no stretching, and lose nothing.
  const ModelSpec enough = scaled(plain(2048), PositionScaling::kYarn, 0, 1000);
  EXPECT_EQ(enough.rope.scaling, RopeScaling::kNone);
  EXPECT_EQ(enough.context, 2048U);
  expect_refused(plain(2048), PositionScaling::kYarn, 0, 0);
  expect_refused(plain(16), PositionScaling::kYarn, 0, 1 << 20);
}

TEST(PositionScalingTest, FactorAsGiven) {
  const ModelSpec spec = scaled(plain(32768), PositionScaling::kYarn, 2.5, 0);
  EXPECT_EQ(spec.rope.factor, 2.5);
  EXPECT_EQ(spec.context, 81920U);
  for (const double factor : {0.5, -1.0, 1025.0, std::nan(""), HUGE_VAL})
    expect_refused(plain(32768), PositionScaling::kLinear, factor, 0);
}

TEST(PositionScalingTest, TheFilesOwnFactorWhereItReaches) {
  const ModelSpec same = scaled(yarn_file(), PositionScaling::kYarn, 0, 100000);
  EXPECT_EQ(same.rope.factor, 4);
  EXPECT_EQ(same.rope.beta_fast, 16);
  EXPECT_EQ(scaled(yarn_file(), PositionScaling::kYarn, 0, 0).context, 131072U);
  const ModelSpec further = scaled(yarn_file(), PositionScaling::kYarn, 0, 262144);
  EXPECT_EQ(further.rope.factor, 8);  // of the original 32768
  EXPECT_EQ(further.rope.beta_fast, 16);
  EXPECT_EQ(further.context, 262144U);
  const ModelSpec linear = scaled(linear_file(), PositionScaling::kLinear, 0, 32768);
  EXPECT_EQ(linear.rope.factor, 8);
  // The other kind: none of the file's parameters are its own.
  const ModelSpec other = scaled(yarn_file(), PositionScaling::kLinear, 0, 65536);
  EXPECT_EQ(other.rope.scaling, RopeScaling::kLinear);
  EXPECT_EQ(other.rope.factor, 2);
  EXPECT_EQ(scaled(linear_file(), PositionScaling::kYarn, 0, 16384).rope.beta_fast, 32);
}

TEST(PositionScalingTest, None) {
  const ModelSpec spec = scaled(yarn_file(), PositionScaling::kNone, 0, 131072);
  EXPECT_EQ(spec.rope.scaling, RopeScaling::kNone);
  EXPECT_EQ(spec.rope.factor, 1);
  EXPECT_EQ(spec.context, 32768U);
  expect_refused(yarn_file(), PositionScaling::kNone, 4, 0);
}

// _compute_yarn_parameters and _compute_linear_scaling_rope_parameters, with their names.
std::vector<double> transformers_yarn(double base, double dim, double factor, double original) {
  const auto find_correction_dim = [&](double num_rotations) {
    return dim * std::log(original / (num_rotations * 2 * std::numbers::pi)) / (2 * std::log(base));
  };
  const double low = std::max(std::floor(find_correction_dim(32)), 0.0);
  double high = std::min(std::ceil(find_correction_dim(1)), dim - 1);
  if (low == high) high += 0.001;
  std::vector<double> inv_freq;
  for (double i = 0; i < dim / 2; ++i) {
    const double pos_freq = std::pow(base, 2 * i / dim);
    const double extrapolation_factor = 1 - std::min(std::max((i - low) / (high - low), 0.0), 1.0);
    inv_freq.push_back(1 / (factor * pos_freq) * (1 - extrapolation_factor) +
                       1 / pos_freq * extrapolation_factor);
  }
  return inv_freq;
}

TEST(PositionScalingTest, FrequenciesAreThoseOfTransformers) {
  struct Model {
    double base;
    uint32_t rotated;
    uint32_t trained;
    uint32_t context;
  };
  for (const Model& model : {Model{1e6, 128, 32768, 131072}, Model{1e4, 64, 2048, 3000},
                             Model{5e5, 128, 8192, 1 << 20}, Model{1e5, 80, 512, 4096}}) {
    ModelSpec spec = plain(model.trained);
    spec.rope.base = model.base;
    spec.rope.rotated = model.rotated;
    const double factor = static_cast<double>(model.context) / model.trained;
    const RopeSpec yarn = scaled(spec, PositionScaling::kYarn, 0, model.context).rope;
    const std::vector<double> expected = transformers_yarn(model.base, model.rotated, factor, model.trained);
    const std::vector<double> got = rope_frequencies(yarn, {});
    ASSERT_EQ(got.size(), expected.size());
    for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], expected[i] * 1e-13) << i;
    EXPECT_NEAR(rope_magnitude(yarn), 0.1 * std::log(factor) + 1, 1e-14);  // get_mscale

    const std::vector<double> linear =
        rope_frequencies(scaled(spec, PositionScaling::kLinear, 0, model.context).rope, {});
    for (size_t i = 0; i < linear.size(); ++i) {
      const double inv_freq = 1 / std::pow(model.base, 2.0 * static_cast<double>(i) / model.rotated);
      EXPECT_NEAR(linear[i], inv_freq / factor, inv_freq * 1e-13) << i;
    }
  }
}

}  // namespace
}  // namespace caldera::model

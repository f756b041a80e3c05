// Rotation and attention in double precision, for the tests of the kernels that compute them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <numeric>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "kernels/state.hpp"
#include "kernels/test_pages.hpp"
#include "support/random.hpp"

namespace caldera::kernels {

inline constexpr uint32_t kRopeContext = 100100;  ///< positions of the tests' rope table

/// How the heads of a test are prepared.
struct RotaryCase {
  uint32_t head;
  uint32_t rotated;
  bool neox;
  bool norm;
  float epsilon;

  double angle(double position, uint32_t pair) const {
    return position * std::pow(10000.0, -2.0 * pair / rotated);
  }
};

/// The table that glsl/rope.glsl describes.
inline std::vector<float> rope_table(const RotaryCase& c) {
  std::vector<float> table;
  const auto add_row = [&](double position) {
    for (uint32_t i = 0; i < c.rotated / 2; ++i) {
      table.push_back(static_cast<float>(std::cos(c.angle(position, i))));
      table.push_back(static_cast<float>(std::sin(c.angle(position, i))));
    }
  };
  for (uint32_t row = 0; row < kRopeFineRows; ++row) add_row(row);
  for (uint32_t row = 0; row <= kRopeContext / kRopeFineRows; ++row) add_row(double{kRopeFineRows} * row);
  return table;
}

/// A query or key head normalised, scaled and rotated.
inline std::vector<double> rotated_head(const RotaryCase& c, const float* in, const std::vector<float>& norm,
                                        double scale, uint32_t position) {
  std::vector<double> out(in, in + c.head);
  if (c.norm) {
    double squares = 0;
    for (const double value : out) squares += value * value;
    const double factor = 1 / std::sqrt(squares / c.head + double{c.epsilon});
    for (uint32_t i = 0; i < c.head; ++i) out[i] *= factor * double{norm[i]};
  }
  for (double& value : out) value *= scale;
  for (uint32_t i = 0; i < c.rotated / 2; ++i) {
    double& first = out[c.neox ? i : 2 * i];
    double& second = out[c.neox ? i + c.rotated / 2 : 2 * i + 1];
    const double angle = c.angle(position, i);
    const double turned = first * std::cos(angle) - second * std::sin(angle);
    second = second * std::cos(angle) + first * std::sin(angle);
    first = turned;
  }
  return out;
}

/// What lies in the pages of every slot, by slot and page.
using TestImages = std::map<std::pair<uint32_t, uint32_t>, TestPages::Image>;

/// Fills the first `written[slot]` rows of each slot's pages with numbers from -1 to 1; the rest stays NaN.
inline TestImages fill_pages(TestPages& pages, const std::vector<uint32_t>& written, uint32_t kv_heads,
                             uint32_t head) {
  TestImages images;
  std::mt19937 random(head);
  for (const auto& [place, memory] : pages.pages()) {
    TestPages::Image image = pages.blank();
    const uint32_t first = place.second * kPageTokens;
    for (uint32_t p = first; p < std::min(written[place.first], first + kPageTokens); ++p) {
      for (uint32_t h = 0; h < kv_heads; ++h) {
        for (const bool value : {false, true}) {
          std::vector<float> row(head);
          for (float& number : row) number = test::uniform(random, -1, 1);
          pages.set_row(image, value, h, p, row);
        }
      }
    }
    pages.write(static_cast<uint32_t>(place.first), place.second, image);
    images[place] = std::move(image);
  }
  return images;
}

/// Checks what a kernel has stored in `page` as a head's row: `numbers`, as near as the format allows. Then
/// `image` has the row as it was stored.
inline void expect_stored(const TestPages& pages, const TestPages::Image& page, TestPages::Image& image,
                          bool value, uint32_t kv_head, uint32_t position, std::span<const double> numbers) {
  const std::vector<double> stored = pages.row(page, value, kv_head, position);
  const std::vector<double> tolerance = pages.row_tolerance(value, numbers);
  for (size_t d = 0; d < numbers.size(); ++d) {
    ASSERT_NEAR(stored[d], numbers[d], tolerance[d])
        << (value ? "value" : "key") << " at " << position << ", KV head " << kv_head << ", dimension " << d;
  }
  pages.copy_row(page, image, value, kv_head, position);
}

/// The first key that a query at `position` sees.
inline uint32_t first_seen(uint32_t position, uint32_t window) {
  return window == 0 || position < window ? 0 : position - window + 1;
}

/// Attention of `query` (prepared) to the keys from `first` to `position` of a slot.
inline std::vector<double> attend(const TestPages& pages, const TestImages& images, uint32_t slot,
                                  uint32_t kv_head, uint32_t first, uint32_t position,
                                  std::span<const double> query) {
  const auto row = [&](bool value, uint32_t p) {
    return pages.row(images.at({slot, p / kPageTokens}), value, kv_head, p);
  };
  std::vector<double> score;
  for (uint32_t p = first; p <= position; ++p) {
    const std::vector<double> key = row(false, p);
    score.push_back(std::inner_product(query.begin(), query.end(), key.begin(), 0.0));
  }
  const double maximum = *std::max_element(score.begin(), score.end());
  std::vector<double> out(query.size());
  double total = 0;
  for (uint32_t p = first; p <= position; ++p) {
    const double weight = std::exp(score[p - first] - maximum);
    total += weight;
    const std::vector<double> numbers = row(true, p);
    for (size_t d = 0; d < out.size(); ++d) out[d] += weight * numbers[d];
  }
  for (double& value : out) value /= total;
  return out;
}

}  // namespace caldera::kernels

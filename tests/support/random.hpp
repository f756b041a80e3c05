// Random inputs with fixed seeds, the same with every standard library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace caldera::test {

/// Uniform in [low, high).
inline float uniform(std::mt19937& random, float low, float high) {
  return low + (high - low) * (static_cast<float>(random() >> 8) * 0x1p-24F);
}

inline std::vector<float> uniforms(size_t count, uint32_t seed, float low = -1, float high = 1) {
  std::mt19937 random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = uniform(random, low, high);
  return values;
}

}  // namespace caldera::test

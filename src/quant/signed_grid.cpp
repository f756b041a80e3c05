// IQ2_XXS: eight weights are an entry of a grid of 256 magnitudes, and their signs:
// weight = d * (2 scale + 1) / 8 * magnitude, 8, 25 or 43, with a scale of 4 bits for each 32.
// Layout: https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h (block_iq2_xxs).
#include <bit>

#include "quant/codebook.hpp"
#include "quant/codec.hpp"
#include "quant/scale.hpp"

namespace caldera::quant {
namespace {

constexpr size_t kBlock = 256;
constexpr size_t kSub = 32;
constexpr size_t kEight = 8;
constexpr int kMagnitude[3] = {8, 25, 43};
constexpr int kMaxOdd = 31;  // 2 * 15 + 1

/// Each 32 weights: four indices, a byte each, and a word of four times 7 signs and, at the top, the scale.
/// Signs are set bits for negative weights; an eighth makes their number even.
struct IQ2_XXS {
  struct Unit {
    uint8_t indices[4];
    uint8_t signs[4];
  };
  struct Block {
    uint8_t d[2];
    Unit units[8];
  };
  static constexpr size_t kElements = kBlock;

  template <class Real>
  static void decode(const Block& block, Real* out) {
    const Real d = load_f16(block.d);
    for (size_t eight = 0; eight < kBlock / kEight; ++eight) {
      const Unit& unit = block.units[eight / 4];
      const uint32_t word = load_four(unit.signs);
      const Real step = d * static_cast<Real>((word >> 28) * 2 + 1) / 8;
      const uint32_t seven = word >> (7 * (eight % 4)) & 127;
      const uint32_t signs = seven | static_cast<uint32_t>(std::popcount(seven) & 1) << 7;
      const uint64_t codes = grid_codes(kIq2XxsGrid, unit.indices[eight % 4]);
      for (size_t k = 0; k < kEight; ++k) {
        const int magnitude = kMagnitude[grid_code(codes, k)];
        out[kEight * eight + k] = step * static_cast<Real>((signs >> k & 1) != 0 ? -magnitude : magnitude);
      }
    }
  }

  static void encode(const float* source, Block& block) {
    double needed[kBlock / kSub];
    double widest = 0;
    for (size_t u = 0; u < kBlock / kSub; ++u) {
      needed[u] = std::abs(extreme_of(source + u * kSub, kSub)) / kMagnitude[2] * 8;
      widest = std::max(widest, needed[u]);
    }
    block = {};
    const double d = store_f16_away_from_zero(widest / kMaxOdd, block.d);
    for (size_t u = 0; u < kBlock / kSub; ++u) {
      const int scale = covering_steps(needed[u], d, kMaxOdd) / 2;
      uint32_t word = static_cast<uint32_t>(scale) << 28;
      for (size_t k = 0; k < 4; ++k) {
        const Entry entry = nearest_entry(source + u * kSub + kEight * k, d * (2 * scale + 1) / 8);
        block.units[u].indices[k] = static_cast<uint8_t>(entry.index);
        word |= (entry.signs & 127) << (7 * k);
      }
      for (size_t byte = 0; byte < 4; ++byte) {
        block.units[u].signs[byte] = static_cast<uint8_t>(word >> (8 * byte));
      }
    }
  }

 private:
  struct Entry {
    uint32_t index;
    uint32_t signs;
  };

  /// The entry nearest to the magnitudes of eight weights. Where an odd number of them is negative, the
  /// smallest has its sign changed.
  static Entry nearest_entry(const float* source, double step) {
    static const NearestEntry nearest(kIq2XxsGrid);
    int codes[kEight];
    uint32_t signs = 0;
    size_t smallest = 0;
    for (size_t k = 0; k < kEight; ++k) {
      const double weight = finite(source[k]);
      const auto above = [&](double magnitude) { return std::abs(weight) > magnitude * step ? 1 : 0; };
      codes[k] = above(0.5 * (kMagnitude[0] + kMagnitude[1])) + above(0.5 * (kMagnitude[1] + kMagnitude[2]));
      if (weight < 0) signs |= 1U << k;
      if (std::abs(weight) < std::abs(finite(source[smallest]))) smallest = k;
    }
    if (std::popcount(signs) % 2 != 0) {
      signs ^= 1U << smallest;
      codes[smallest] = 0;
    }
    return {nearest.find(codes), signs};
  }
};

}  // namespace

constinit const Codec kIQ2_XXSCodec = codec_of<IQ2_XXS>();

}  // namespace caldera::quant

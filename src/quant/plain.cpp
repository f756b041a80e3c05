// F32, F16 and BF16: blocks of one weight.
#include <bit>
#include <cstring>

#include "quant/codec.hpp"
#include "quant/half.hpp"

namespace caldera::quant {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF data is read as it lies, little-endian");

template <class Bits, float (*from_bits)(Bits), Bits (*to_bits)(float)>
struct Plain {
  struct Block {
    uint8_t bits[sizeof(Bits)];
  };
  static constexpr size_t kElements = 1;

  template <class Real>
  static void decode(const Block& block, Real* out) {
    *out = static_cast<Real>(from_bits(std::bit_cast<Bits>(block)));
  }
  static void encode(const float* source, Block& block) { block = std::bit_cast<Block>(to_bits(*source)); }
};

constexpr float float_from_bits(uint32_t bits) {
  return std::bit_cast<float>(bits);
}
constexpr uint32_t bits_from_float(float value) {
  return std::bit_cast<uint32_t>(value);
}

}  // namespace

constinit const Codec kF32Codec = codec_of<Plain<uint32_t, float_from_bits, bits_from_float>>();
constinit const Codec kF16Codec = codec_of<Plain<uint16_t, float_from_f16, f16_from_float>>();
constinit const Codec kBF16Codec = codec_of<Plain<uint16_t, float_from_bf16, bf16_from_float>>();

}  // namespace caldera::quant

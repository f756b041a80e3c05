#include "quant/codebook.hpp"

#include <bit>

namespace caldera::quant {
namespace {

constexpr uint32_t kIq1Words[1024] = {
#include "quant/codebooks/iq1_grid.inc"
};
constexpr uint32_t kIq2XxsWords[128] = {
#include "quant/codebooks/iq2_xxs_grid.inc"
};

constexpr size_t kVectors = 6561;  // 3^8

/// A field of 2 bits with as many bits set as its code says, for all eight codes of an entry.
constexpr uint32_t unary(uint32_t entry) {
  return entry | (entry >> 1 & 0x5555);
}

/// The sum of squared differences of two entries' codes, given in unary.
int squared_distance(uint32_t a, uint32_t b) {
  const uint32_t differs = a ^ b;
  // Codes that are 2 apart differ in both bits: 4 instead of 2.
  return std::popcount(differs) + 2 * std::popcount(differs & differs >> 1 & 0x5555);
}

}  // namespace

constinit const Grid kIq1Grid = kIq1Words;
constinit const Grid kIq2XxsGrid = kIq2XxsWords;

Grid grid_of(Format format) {
  switch (format) {
    case Format::kIQ1_S:
    case Format::kIQ1_M:
      return kIq1Grid;
    case Format::kIQ2_XXS:
      return kIq2XxsGrid;
    default:
      return {};
  }
}

NearestEntry::NearestEntry(Grid grid) : index_(kVectors) {
  std::vector<uint32_t> entries;
  for (const uint32_t word : grid) {
    entries.push_back(unary(word & 0xFFFF));
    entries.push_back(unary(word >> 16));
  }
  for (size_t vector = 0; vector < kVectors; ++vector) {
    uint32_t wanted = 0;
    size_t digits = vector;
    for (uint32_t k = 0; k < 8; ++k, digits /= 3) {
      wanted |= static_cast<uint32_t>(digits % 3) << (8 * (k & 1) + 4 * (k >> 1 & 1) + 2 * (k >> 2));
    }
    wanted = unary(wanted);
    int least = squared_distance(entries[0], wanted);
    for (size_t i = 1; i < entries.size() && least > 0; ++i) {
      if (const int distance = squared_distance(entries[i], wanted); distance < least) {
        least = distance;
        index_[vector] = static_cast<uint16_t>(i);
      }
    }
  }
}

uint32_t NearestEntry::find(std::span<const int, 8> codes) const {
  size_t vector = 0;
  for (size_t k = 8; k-- > 0;) vector = vector * 3 + static_cast<size_t>(codes[k]);
  return index_[vector];
}

}  // namespace caldera::quant

// Measuring how fast a device reads: all of the memory is read, and the figure is one that memory can have.
#include "kernels/bandwidth.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "support/device.hpp"
#include "support/random.hpp"

namespace caldera::kernels {
namespace {

TEST(BandwidthTest, ReadsEveryWord) {
  for (const size_t words : {size_t{4}, size_t{4} * 1031, size_t{1} << 20}) {
    std::mt19937 random(7);
    std::vector<uint32_t> values(words);
    for (uint32_t& value : values) value = static_cast<uint32_t>(random());
    const test::DeviceArray<uint32_t> memory(values);
    // Allocations are rounded up: what lies behind the words must not change the sum.
    std::vector<uint32_t> all(memory.memory().bytes() / sizeof(uint32_t));
    std::copy(values.begin(), values.end(), all.begin());
    test::device().upload(memory.memory(), 0, std::as_bytes(std::span(all)));
    const ReadSpeed speed = read_speed(test::device(), test::pipelines(), memory.memory());
    EXPECT_EQ(speed.sum, std::accumulate(values.begin(), values.end(), 0U)) << words;
    EXPECT_GT(speed.bytes_per_second, 0);
    EXPECT_LT(speed.bytes_per_second, 1e14) << "no memory is that fast";
  }
}

}  // namespace
}  // namespace caldera::kernels

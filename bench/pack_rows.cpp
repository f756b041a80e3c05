// How fast one core repacks rows into the resident layout: GB of the file's bytes a second.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <random>
#include <string>
#include <vector>

#include "quant/resident.hpp"

namespace {

using caldera::quant::FormatInfo;

constexpr uint64_t kColumns = 8192;
constexpr uint64_t kSourceBytes = 16 << 20;  // beyond the caches that a core has to itself
constexpr int kRounds = 15;

/// Seconds that this thread has had a core: other work on the machine does not count.
double core_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// GB/s of the fastest of some rounds: the others were disturbed.
template <class Act>
double best_rate(uint64_t bytes, Act act) {
  double best = 0;
  for (int round = 0; round < kRounds; ++round) {
    const double start = core_seconds();
    act();
    best = std::max(best, static_cast<double>(bytes) / (core_seconds() - start) / 1e9);
  }
  return best;
}

}  // namespace

int main() {
  std::printf("%-6s %10s %10s\n", "format", "pack GB/s", "copy GB/s");
  for (const FormatInfo& format : caldera::quant::formats()) {
    const uint64_t row = caldera::quant::bytes_for(format.format, kColumns);
    const uint64_t rows = kSourceBytes / row;
    std::vector<std::byte> source(rows * row);
    std::mt19937 random(1);
    for (std::byte& byte : source) byte = static_cast<std::byte>(random());
    std::vector<std::byte> out(rows * caldera::quant::row_layout(format.format, kColumns).row_bytes);
    const double pack = best_rate(
        source.size(), [&] { caldera::quant::pack_rows(format.format, kColumns, rows, source, out); });
    const double copy =
        best_rate(source.size(), [&] { std::memcpy(out.data(), source.data(), source.size()); });
    std::printf("%-6s %10.2f %10.2f\n", std::string(format.name).c_str(), pack, copy);
  }
}

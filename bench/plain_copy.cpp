// Copies a file into device memory as fast as threads can, and does nothing else: what a loader's speed is
// measured against. plain_copy FILE [DEVICE]
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <thread>
#include <vector>

#include "caldera/error.hpp"
#include "gguf/input_file.hpp"
#include "vulkan/device.hpp"

namespace {

using namespace caldera;

constexpr uint64_t kChunkBytes = uint64_t{1} << 30;
constexpr uint64_t kPieceBytes = uint64_t{2} << 20;

void copy(const std::string& path, const std::string& choice) {
  const gguf::InputFile file{std::filesystem::path(path)};
  const vulkan::Instance instance;
  vulkan::Device device(instance, instance.choose(choice));
  std::vector<vulkan::Allocation> memory;
  const auto asked = std::chrono::steady_clock::now();
  for (uint64_t at = 0; at < file.size(); at += kChunkBytes) {
    memory.push_back(device.memory().allocate(std::min(kChunkBytes, file.size() - at),
                                              vulkan::Residency::kDevice, vulkan::Purpose::kWeights, path));
  }
  if (memory.empty() || memory[0].host() == nullptr) {
    throw Error(ErrorKind::kDevice,
                "the host cannot write into this device's memory: nothing to compare with");
  }
  const auto start = std::chrono::steady_clock::now();
  fmt::print("{:.2f} s to allocate; ", std::chrono::duration<double>(start - asked).count());
  std::atomic<uint64_t> next = 0;
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < std::clamp(std::thread::hardware_concurrency(), 1U, 16U); ++i) {
    threads.emplace_back([&] {
      std::vector<std::byte> piece(kPieceBytes);
      for (uint64_t at = next.fetch_add(kPieceBytes); at < file.size(); at = next.fetch_add(kPieceBytes)) {
        const std::span<std::byte> part(piece.data(), std::min(kPieceBytes, file.size() - at));
        file.read_at(at, part, "the file");
        std::memcpy(memory[at / kChunkBytes].host() + at % kChunkBytes, part.data(), part.size());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  fmt::print("{:.2f} GB in {:.2f} s, {:.2f} GB/s by {} threads\n", static_cast<double>(file.size()) / 1e9,
             seconds, static_cast<double>(file.size()) / 1e9 / seconds, threads.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::fprintf(stderr, "usage: plain_copy FILE [DEVICE]\n");
    return 2;
  }
  try {
    copy(argv[1], argc == 3 ? argv[2] : "");
  } catch (const Error& error) {
    std::fprintf(stderr, "plain_copy: %s\n", error.what());
    return error.exit_code();
  }
  return 0;
}

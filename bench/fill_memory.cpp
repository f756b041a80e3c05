// Takes all memory that a device gives, in chunks of 1 GiB, and says where it lies: fill_memory [hidden]
// [DEVICE]
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "caldera/error.hpp"
#include "vulkan/device.hpp"

namespace {

using namespace caldera;

void fill(const std::string& choice, bool visible) {
  const vulkan::Instance instance;
  vulkan::Device device(instance, instance.choose(choice), {.allow_host_visible = visible});
  std::vector<vulkan::Allocation> memory;
  const auto start = std::chrono::steady_clock::now();
  uint64_t mapped = 0;
  try {
    for (;;) {
      memory.push_back(device.memory().allocate(uint64_t{1} << 30, vulkan::Residency::kDevice,
                                                vulkan::Purpose::kWeights, "one GiB more"));
      if (memory.back().host() != nullptr) ++mapped;
    }
  } catch (const Error& error) {
    fmt::print("{}\n", error.what());
  }
  fmt::print("{} GiB, {} of them mapped, in {:.2f} s\n", memory.size(), mapped,
             std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  for (const HeapUse& heap : device.memory().heaps()) {
    fmt::print("heap {}: {} bytes in {} chunks\n", heap.heap, heap.reserved, heap.chunks);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bool hidden = argc > 1 && std::string(argv[1]) == "hidden";
  try {
    fill(argc > (hidden ? 2 : 1) ? argv[argc - 1] : "", !hidden);
  } catch (const Error& error) {
    std::fprintf(stderr, "fill_memory: %s\n", error.what());
    return error.exit_code();
  }
  return 0;
}

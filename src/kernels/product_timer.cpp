#include "kernels/product_timer.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstring>
#include <random>

#include "kernels/state.hpp"
#include "plan/working_memory.hpp"
#include "vulkan/recording.hpp"

namespace caldera::kernels {

double seconds_of(vulkan::Device& device, const vulkan::Stopwatch& stopwatch,
                  const std::function<void(vulkan::Recording& recording)>& record, int runs, double enough) {
  using Clock = std::chrono::steady_clock;
  // One run after the other in one submission, as in decoding: between submissions the device is idle and
  // lowers its clocks, and what is fastest then is not what is fastest later. The first run takes a
  // pipeline's code to the device.
  vulkan::Recording recording(device);
  record(recording);
  stopwatch.start(recording.handle());
  for (int run = 0; run < runs; ++run) record(recording);
  stopwatch.stop(recording.handle());
  recording.finish();
  const VkCommandBuffer buffer = recording.handle();
  double best = 1e9;
  for (int turn = 0; turn < 2 && (turn == 0 || best <= enough); ++turn) {
    const auto start = Clock::now();
    device.wait(device.submit({&buffer, 1}));
    const std::chrono::duration<double> passed = Clock::now() - start;
    best = std::min(best, stopwatch.seconds(passed.count()) / runs);
  }
  return best;
}

uint64_t weight_bytes(const Matrix& matrix) {
  return uint64_t{matrix.rows} * matrix.layout.row_bytes;
}

ProductTimer::ProductTimer(vulkan::Device& device, Kernels& kernels, std::span<const Product> products,
                           uint32_t columns)
    : device_(device),
      kernels_(kernels),
      stopwatch_(device),
      key_(key_of(products.front(), columns)),
      columns_(columns),
      products_(products.begin(), products.end()) {
  const auto scratch = [&](uint64_t bytes, vulkan::Residency residency) {
    return device.memory().allocate(bytes, residency, vulkan::Purpose::kStaging, "timing of products");
  };
  batch_ = scratch(batch_bytes(columns_), vulkan::Residency::kHostWrite);
  std::memset(batch_.host(), 0, batch_.bytes());
  auto& head = *reinterpret_cast<BatchHead*>(batch_.host());
  head.tokens = head.outputs = head.running = columns_;
  x_ = scratch(key_.vectors * plan::int8_vector_bytes(key_.columns), vulkan::Residency::kDevice);
  out_ = scratch(uint64_t{key_.vectors} * key_.rows * sizeof(float), vulkan::Residency::kDevice);
  out_int8_ = scratch(key_.vectors * plan::int8_vector_bytes(key_.rows), vulkan::Residency::kDevice);
  // Codes, and floats up to 0.75: sums stay finite, and arithmetic on zeros would take less power than it
  // will.
  std::vector<std::byte> numbers(std::max(x_.bytes(), out_.bytes()));
  std::minstd_rand random(1);
  for (std::byte& number : numbers) number = static_cast<std::byte>(random() % 0x40);
  device.upload(x_, 0, std::span(numbers).first(x_.bytes()));
  device.upload(out_, 0, std::span(numbers).first(out_.bytes()));
  device.end_uploads();
  for (Product& product : products_) {
    bytes_ += weight_bytes(*product.weights);
    product.x = {x_.address(), x_.bytes()};
    product.out = {out_.address(), out_.bytes()};
    if (product.out_int8.bytes > 0) product.out_int8 = {out_int8_.address(), out_int8_.bytes()};
    product.out_stride = key_.rows;
    product.first_output = 0;
    product.beside = false;
  }
}

double ProductTimer::seconds(const ProductChoice& choice, int runs, double enough) {
  kernels_.choose(key_, choice);
  const auto record = [&](vulkan::Recording& recording) {
    const Kernels::Target target{&recording, batch_.address(), columns_, true, 1};
    for (const Product& product : products_) kernels_.record(target, product);
  };
  return seconds_of(device_, stopwatch_, record, runs, enough);
}

}  // namespace caldera::kernels

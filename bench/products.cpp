// How fast each choice of a product of int8 vectors is, beside what a plain kernel reads: random weights in
// several formats and shapes, enough of them that no cache serves them, the candidates sorted by speed.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "caldera/error.hpp"
#include "kernels/bandwidth.hpp"
#include "kernels/product_candidates.hpp"
#include "kernels/product_timer.hpp"
#include "model/synthetic.hpp"

namespace {

using namespace caldera;

struct Options {
  std::string device;
  std::vector<std::string> formats = {"Q4_K"};
  std::vector<std::string> shapes = {"4096x4096"};
  std::vector<uint32_t> vectors = {1};
  std::vector<std::string> kernels = {"rows", "tiles", "units"};
  uint64_t megabytes = 512;
  int runs = 5;
  size_t top = 0;
  bool norm = false;
  bool add = false;
  bool swiglu = false;
};

struct Shape {
  uint32_t rows = 0;
  uint32_t columns = 0;
};

quant::Format format_named(const std::string& name) {
  std::vector<std::string_view> names;
  for (const quant::FormatInfo& info : quant::formats()) {
    if (CLI::detail::to_lower(std::string(info.name)) == CLI::detail::to_lower(name)) return info.format;
    names.push_back(info.name);
  }
  throw Error(ErrorKind::kUsage,
              fmt::format("there is no format {}: take one of {}", name, fmt::join(names, ", ")));
}

/// "14336x4096": rows, columns.
Shape shape_of(const std::string& text) {
  Shape shape;
  const char* end = text.data() + text.size();
  const auto [x, failed] = std::from_chars(text.data(), end, shape.rows);
  if (failed == std::errc() && x != end && *x == 'x') {
    const auto [rest, failed_too] = std::from_chars(x + 1, end, shape.columns);
    if (failed_too == std::errc() && rest == end && shape.rows > 0 && shape.columns > 0) return shape;
  }
  throw Error(ErrorKind::kUsage, fmt::format("'{}' is no shape: write rows and columns, 4096x14336", text));
}

/// Copies of one random matrix one after the other, some hundred MB of them, and products with them.
class Weights {
 public:
  Weights(vulkan::Device& device, quant::Format format, const Shape& shape, const Options& options) {
    matrix_.format = format;
    matrix_.rows = shape.rows;
    matrix_.columns = shape.columns;
    matrix_.layout = quant::row_layout(format, shape.columns);
    const uint64_t one = (kernels::weight_bytes(matrix_) + 255) / 256 * 256;
    const uint64_t most = std::max<uint64_t>(device.memory().max_allocation() / one, 1);
    const uint64_t copies = std::min(most, (options.megabytes * 1'000'000 + one - 1) / one);
    memory_ = device.memory().allocate(copies * one, vulkan::Residency::kDevice, vulkan::Purpose::kWeights,
                                       "random weights");
    const std::vector<std::byte> packed = random_matrix();
    for (uint64_t copy = 0; copy < copies; ++copy) device.upload(memory_, copy * one, packed);
    const std::vector<float> ones(shape.rows, 1.0F);
    norm_ = device.memory().allocate(ones.size() * sizeof(float), vulkan::Residency::kDevice,
                                     vulkan::Purpose::kWeights, "a norm");
    device.upload(norm_, 0, std::as_bytes(std::span(ones)));
    device.end_uploads();
    matrices_.assign(copies, matrix_);
    for (uint64_t copy = 0; copy < copies; ++copy) {
      matrices_[copy].segments = {{memory_.address() + copy * one, 0, shape.rows}};
    }
  }

  const kernels::Matrix& matrix() const { return matrix_; }
  const vulkan::Allocation& memory() const { return memory_; }

  std::vector<kernels::Product> products(const Options& options) const {
    std::vector<kernels::Product> products;
    for (const kernels::Matrix& matrix : matrices_) {
      kernels::Product product{};
      product.weights = &matrix;
      product.input = options.norm ? kernels::Input::kNormed : kernels::Input::kInt8;
      product.epsilon = 1e-5F;
      product.count = kernels::Count::kTokens;
      product.epilogue = options.swiglu ? kernels::Epilogue::kSwiGlu
                         : options.add  ? kernels::Epilogue::kAdd
                                        : kernels::Epilogue::kStore;
      if (options.swiglu || options.add) product.out_int8.bytes = 1;  // wanted: the timer says where
      if (options.add) product.out_norm = norm_.address();
      products.push_back(product);
    }
    return products;
  }

 private:
  /// Rows of a small random matrix, over and over.
  std::vector<std::byte> random_matrix() const {
    constexpr uint64_t kPatternBytes = 1 << 20;
    const uint64_t row = matrix_.layout.row_bytes;
    const uint64_t rows = std::clamp<uint64_t>(kPatternBytes / row, 1, matrix_.rows);
    std::vector<std::byte> pattern(rows * row);
    quant::pack_rows(matrix_.format, matrix_.columns, rows,
                     model::random_rows(matrix_.format, matrix_.columns, rows, 1), pattern);
    std::vector<std::byte> all(kernels::weight_bytes(matrix_));
    for (uint64_t at = 0; at < all.size(); at += pattern.size()) {
      const uint64_t count = std::min<uint64_t>(pattern.size(), all.size() - at);
      std::copy_n(pattern.begin(), count, all.begin() + static_cast<std::ptrdiff_t>(at));
    }
    return all;
  }

  kernels::Matrix matrix_;
  vulkan::Allocation memory_;
  vulkan::Allocation norm_;
  std::vector<kernels::Matrix> matrices_;
};

struct Result {
  kernels::ProductChoice choice;
  double seconds = 0;  ///< of one product
};

void print(std::vector<Result> results, const kernels::ProductChoice& usual, uint64_t bytes, double limit,
           size_t top) {
  std::ranges::sort(results, {}, &Result::seconds);
  fmt::print("  {:>9} {:>5} {:>7} {:>7} {:>6} {:>10} {:>8} {:>7}\n", "subgroups", "rows", "unroll", "passes",
             "ahead", "us", "GB/s", "share");
  for (size_t i = 0; i < results.size(); ++i) {
    const auto& [choice, seconds] = results[i];
    if (top > 0 && i >= top && choice != usual) continue;
    const double speed = static_cast<double>(bytes) / seconds;
    const std::optional<kernels::Int8Tile>& tile = choice.tile;
    if (choice.units) {
      const kernels::MatvecUnits& units = *choice.units;
      fmt::print("  {:>9} {:>5} {:>7} {:>7} {:>6} {:>10.2f} {:>8.1f} {:>6.1f}%{}\n",
                 fmt::format("{} {}", units.fragments != 0 ? "frag" : "units", units.row_groups),
                 fmt::format("{}t", units.tiles), units.units, units.slices, units.ahead, seconds * 1e6,
                 speed / 1e9, 100 * speed / limit, choice == usual ? "  the usual choice" : "");
      continue;
    }
    fmt::print(
        "  {:>9} {:>5} {:>7} {:>7} {:>6} {:>10.2f} {:>8.1f} {:>6.1f}%{}\n",
        tile ? fmt::format("{}x{}", tile->rows, tile->columns) : fmt::format("{}", choice.subgroups),
        tile ? fmt::format("{}x{}", tile->lane_rows, tile->lane_columns) : fmt::format("{}", choice.rows),
        tile ? tile->units : choice.unroll, tile ? tile->slices : choice.passes,
        tile ? tile->ahead : choice.ahead, seconds * 1e6, speed / 1e9, 100 * speed / limit,
        choice == usual ? "  the usual choice" : "");
  }
  std::fflush(stdout);
}

/// The candidates of the kernels that are wanted, and the usual choice.
std::vector<kernels::ProductChoice> wanted_choices(const kernels::ProductKey& key,
                                                   const kernels::WorkgroupLimits& limits,
                                                   const kernels::ProductChoice& usual,
                                                   const std::vector<std::string>& wanted) {
  std::vector<kernels::ProductChoice> choices = kernels::candidates(key, limits);
  std::erase_if(choices, [&](const kernels::ProductChoice& choice) {
    const char* const kernel = choice.units ? "units" : choice.tile ? "tiles" : "rows";
    return choice == usual || std::ranges::find(wanted, kernel) == wanted.end();
  });
  choices.insert(choices.begin(), usual);
  return choices;
}

/// Makes all pipelines before anything is timed: a device that waits for a compiler lowers its clocks.
void compile(kernels::Kernels& kernels, const kernels::Product& product, uint32_t vectors,
             const std::vector<kernels::ProductChoice>& choices) {
  std::atomic<size_t> next = 0;
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < std::clamp(std::thread::hardware_concurrency(), 1U, 16U); ++i) {
    threads.emplace_back([&] {
      for (size_t at = next++; at < choices.size(); at = next++)
        kernels.prepare(product, vectors, choices[at]);
    });
  }
}

void measure(const Options& options) {
  const vulkan::Instance instance;
  vulkan::Device device(instance, instance.choose(options.device));
  vulkan::PipelineStore pipelines(device, "");
  kernels::Kernels kernels(device, pipelines);
  fmt::print("{} ({})\n", device.physical().info.name, device.physical().info.driver);
  const kernels::WorkgroupLimits limits = kernels.workgroup_limits();
  for (const std::string& format_name : options.formats) {
    for (const std::string& shape_text : options.shapes) {
      const Shape shape = shape_of(shape_text);
      const Weights weights(device, format_named(format_name), shape, options);
      if (!kernels::Kernels::takes_int8(weights.matrix())) {
        throw Error(ErrorKind::kUsage,
                    fmt::format("{} weights in {} do not go with int8 vectors", shape_text, format_name));
      }
      const double limit = kernels::read_speed(device, pipelines, weights.memory()).bytes_per_second;
      for (const uint32_t vectors : options.vectors) {
        const auto start = std::chrono::steady_clock::now();
        kernels::ProductTimer timer(device, kernels, weights.products(options), vectors);
        const kernels::ProductChoice usual = kernels.choice(timer.key());
        std::vector<Result> results;
        const std::vector<kernels::ProductChoice> choices =
            wanted_choices(timer.key(), limits, usual, options.kernels);
        compile(kernels, timer.products().front(), vectors, choices);
        // A device that was idle takes a while to reach its clocks.
        const auto warm = std::chrono::steady_clock::now() + std::chrono::milliseconds(400);
        while (std::chrono::steady_clock::now() < warm) timer.seconds(usual, 1);
        for (const kernels::ProductChoice& choice : choices) {
          results.push_back(
              {choice, timer.seconds(choice, options.runs) / static_cast<double>(timer.products().size())});
        }
        kernels.choose(timer.key(), usual);
        const uint64_t bytes = kernels::weight_bytes(weights.matrix());
        fmt::print(
            "\n{} {}x{}{}{}, {} vector{}: {:.1f} MB a product ({:.1f} us at {:.0f} GB/s), {} products in a "
            "row, {} "
            "candidates in {:.1f} s\n",
            format_name, shape.rows, shape.columns, options.norm ? ", normed" : "",
            options.swiglu ? ", swiglu to int8"
            : options.add  ? ", added, to int8"
                           : "",
            vectors, vectors == 1 ? "" : "s", static_cast<double>(bytes) / 1e6,
            static_cast<double>(bytes) / limit * 1e6, limit / 1e9, timer.products().size(), results.size(),
            std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
        print(std::move(results), usual, bytes, limit, options.top);
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Times every choice of the products of int8 vectors");
  app.add_option("--device", options.device, "An index or part of a name of 'caldera devices'");
  app.add_option("-f,--format", options.formats, "Formats of the weights: Q4_K,Q6_K")->delimiter(',');
  app.add_option("-s,--shape", options.shapes, "Rows and columns: 4096x14336,128256x4096")->delimiter(',');
  app.add_option("-v,--vectors", options.vectors, "Vectors at once: 1,2,4,8; and more, in tiles")
      ->delimiter(',')
      ->check(CLI::IsMember({1, 2, 4, 8, 16, 32, 64, 128, 256, 512}));
  app.add_option("-k,--kernel", options.kernels, "Kernels to try: rows,tiles,units (default: all)")
      ->delimiter(',')
      ->check(CLI::IsMember({"rows", "tiles", "units"}));
  app.add_option("--megabytes", options.megabytes, "Weights to go through in one run (default: 512)")
      ->check(CLI::Range(1, 65536));
  app.add_option("--runs", options.runs, "Runs of each candidate, the fastest counts (default: 5)")
      ->check(CLI::Range(1, 1000));
  app.add_option("--top", options.top, "Print only so many, and the usual choice (default: all)");
  app.add_flag("--norm", options.norm, "The product normalises its vector");
  app.add_flag("--add", options.add, "The result is added to what is there, and made int8 vectors besides");
  app.add_flag("--swiglu", options.swiglu, "Rows are gate and up in turn, and the result is int8 vectors");
  CLI11_PARSE(app, argc, argv);
  try {
    measure(options);
  } catch (const Error& error) {
    std::fprintf(stderr, "products_bench: %s\n", error.what());
    return error.exit_code();
  }
  return 0;
}

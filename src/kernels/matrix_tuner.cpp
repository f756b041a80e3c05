#include "kernels/matrix_tuner.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <random>

#include "caldera/error.hpp"
#include "kernels/compilers.hpp"
#include "kernels/product_memory.hpp"
#include "kernels/state.hpp"
#include "vulkan/recording.hpp"
#include "vulkan/stopwatch.hpp"

namespace caldera::kernels {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kRuns = 3;
/// What is faster by less than this may be chance, and is not worth a change.
constexpr double kWorthwhile = 0.98;
/// What is slower by so much in its first run will not be the fastest in another.
constexpr double kHopeless = 1.2;
/// Products of a key that are timed together, so that caches do not hold the weights of all, as far as they
/// are no more than so many operations: a millisecond or two of a large device.
constexpr size_t kMostProducts = 4;
constexpr double kMostOperations = 5e11;
/// Results of a product that is timed, some 1000 tiles of 128 x 128: a matrix of more rows tells no more.
constexpr uint64_t kMostResults = uint64_t{1} << 24;

/// What is to be found out for one key.
struct Search {
  TunedTiles result;
  std::vector<Product> products;
  std::vector<MatrixTiles> candidates;

  double operations() const {
    return static_cast<double>(result.products) * result.key.rows * result.key.columns;
  }
};

/// The first `rows` rows of a matrix.
Matrix first_rows(Matrix matrix, uint32_t rows) {
  matrix.rows = std::min(matrix.rows, rows);
  std::erase_if(matrix.segments, [&](const Segment& part) { return part.first_row >= matrix.rows; });
  for (Segment& part : matrix.segments) part.rows = std::min(part.rows, matrix.rows - part.first_row);
  return matrix;
}

/// Times products of one key, each with `tokens` vectors of made-up activations.
class MatrixTimer {
 public:
  MatrixTimer(vulkan::Device& device, Kernels& kernels, const Search& search)
      : device_(device), kernels_(kernels), stopwatch_(device), key_(search.result.key) {
    const auto rows = static_cast<uint32_t>(std::min<uint64_t>(key_.rows, kMostResults / key_.tokens));
    const double operations = 2.0 * rows * key_.columns * key_.tokens;
    const auto count = static_cast<size_t>(
        std::clamp(kMostOperations / operations, 1.0, static_cast<double>(kMostProducts)));
    products_.assign(search.products.begin(), search.products.begin() + static_cast<std::ptrdiff_t>(std::min(
                                                                            count, search.products.size())));
    for (const Product& product : products_) matrices_.push_back(first_rows(*product.weights, rows));
    cut_key_ = key_;
    cut_key_.rows = rows;
    before_ = kernels_.tiles(cut_key_);
    const auto scratch = [&](uint64_t bytes, vulkan::Residency residency) {
      return device.memory().allocate(bytes, residency, vulkan::Purpose::kStaging, "timing of products");
    };
    batch_ = scratch(batch_bytes(key_.tokens), vulkan::Residency::kHostWrite);
    std::memset(batch_.host(), 0, batch_.bytes());
    auto& head = *reinterpret_cast<BatchHead*>(batch_.host());
    head.tokens = head.outputs = head.running = key_.tokens;
    x_ = scratch(uint64_t{key_.tokens} * key_.columns * sizeof(float), vulkan::Residency::kDevice);
    out_ = scratch(uint64_t{key_.tokens} * rows * sizeof(float), vulkan::Residency::kDevice);
    fill_x();
    for (size_t i = 0; i < products_.size(); ++i) {
      Product& product = products_[i];
      product.weights = &matrices_[i];
      product.x = {x_.address(), x_.bytes()};
      product.out = {out_.address(), out_.bytes()};
      product.out_stride = rows;
      product.first_output = 0;
      product.beside = false;
    }
  }
  ~MatrixTimer() { kernels_.choose(cut_key_, before_); }
  MatrixTimer(const MatrixTimer&) = delete;
  MatrixTimer& operator=(const MatrixTimer&) = delete;

  /// The least seconds of one product; of one that takes much longer than `best_so_far`, those of one run.
  /// Errors: kDevice, kMemory.
  double seconds(const MatrixTiles& tiles, double best_so_far) {
    kernels_.choose(cut_key_, tiles);
    vulkan::Recording recording(device_);
    stopwatch_.start(recording.handle());
    const Kernels::Target target{&recording, batch_.address(), key_.tokens, false, 1};
    for (const Product& product : products_) kernels_.record(target, product);
    stopwatch_.stop(recording.handle());
    recording.finish();
    const VkCommandBuffer buffer = recording.handle();
    const double hopeless =
        kHopeless * best_so_far * static_cast<double>(products_.size()) * cut_key_.rows / key_.rows;
    double best = 1e9;
    // The first run of a pipeline also takes its code to the device.
    for (int run = 0; run <= kRuns && (run <= 1 || best < hopeless); ++run) {
      const auto start = Clock::now();
      device_.wait(device_.submit({&buffer, 1}));
      const std::chrono::duration<double> passed = Clock::now() - start;
      if (run > 0) best = std::min(best, stopwatch_.seconds(passed.count()));
    }
    return best / static_cast<double>(products_.size()) * key_.rows / cut_key_.rows;
  }

 private:
  /// Halves and floats up to 0.75, of either kind: arithmetic on zeros would take less power than it will.
  void fill_x() {
    constexpr uint64_t kPiece = uint64_t{1} << 20;
    std::vector<std::byte> numbers(std::min<uint64_t>(x_.bytes(), kPiece));
    std::minstd_rand random(1);
    for (std::byte& number : numbers) number = static_cast<std::byte>(random() % 0x3A);
    for (uint64_t at = 0; at < x_.bytes(); at += numbers.size()) {
      device_.upload(x_, at, std::span(numbers).first(std::min<uint64_t>(numbers.size(), x_.bytes() - at)));
    }
    device_.end_uploads();
  }

  vulkan::Device& device_;
  Kernels& kernels_;
  vulkan::Stopwatch stopwatch_;
  MatrixKey key_;
  MatrixKey cut_key_;   ///< of the rows that are timed
  MatrixTiles before_;  ///< what was chosen for it
  std::vector<Product> products_;
  std::vector<Matrix> matrices_;  ///< of products_
  vulkan::Allocation batch_;
  vulkan::Allocation x_;
  vulkan::Allocation out_;
};

/// Times the candidates of a search until `end`, and chooses. `compiled`: of each candidate.
void run(vulkan::Device& device, Kernels& kernels, Search& search, std::span<std::future<void>> compiled,
         Clock::time_point end) {
  const MatrixTiles usual = search.candidates.front();
  MatrixTiles best = usual;
  TunedTiles& result = search.result;
  try {
    MatrixTimer timer(device, kernels, search);
    for (size_t i = 0; i < search.candidates.size(); ++i) {
      if (compiled[i].wait_until(end) != std::future_status::ready || Clock::now() >= end) break;
      try {
        compiled[i].get();
        const double seconds = timer.seconds(search.candidates[i], i == 0 ? 1e9 : result.seconds);
        ++result.tried;
        if (i == 0) result.usual_seconds = result.seconds = seconds;
        if (result.usual_seconds == 0) break;  // not even that could be run
        if (seconds >= kWorthwhile * result.seconds) continue;
        result.seconds = seconds;
        best = search.candidates[i];
      } catch (const Error&) {  // the driver cannot compile or run it: then it is not for this device
        if (i == 0) break;
      }
    }
  } catch (const Error&) {  // no memory to work in
  }
  kernels.choose(result.key, best);
  result.tiles = best;
}

/// The products on matrix units by key, those first that take most of a pass.
std::vector<Search> searches_of(std::span<const Product> products, uint32_t tokens) {
  std::map<MatrixKey, Search> by_key;
  for (const Product& product : products) {
    if (product.count != Count::kTokens) continue;
    const MatrixKey key = matrix_key_of(product, tokens);
    Search& search = by_key[key];
    search.result.key = key;
    ++search.result.products;
    search.products.push_back(product);
  }
  std::vector<Search> searches;
  searches.reserve(by_key.size());
  for (auto& [key, search] : by_key) searches.push_back(std::move(search));
  std::ranges::stable_sort(searches, std::greater{}, &Search::operations);
  return searches;
}

}  // namespace

std::vector<TunedTiles> tune_matrices(vulkan::Device& device, Kernels& kernels,
                                      std::span<const Product> products, uint32_t tokens,
                                      const std::filesystem::path& memory, const TuneOptions& options) {
  const bool wanted = options.any_device || !kernels.matrix_units().software;
  if (device.compile_only() || !wanted || !kernels.uses_matrix_units() || tokens <= kMaxVectorColumns)
    return {};
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(options.budget);
  const MemoryOwner owner = product_memory_owner(device, kernels.workgroup_limits());
  RememberedMatrices known = read_matrix_memory(memory, owner, kernels.matrix_units());
  std::vector<Search> searches = searches_of(products, tokens);
  std::vector<TunedTiles> results;
  if (!options.again) {
    std::erase_if(searches, [&](Search& search) {
      const auto found = known.find(search.result.key);
      if (found == known.end()) return false;
      kernels.choose(search.result.key, found->second.tiles);
      search.result.tiles = found->second.tiles;
      search.result.seconds = found->second.microseconds * 1e-6;
      search.result.remembered = true;
      results.push_back(search.result);
      return true;
    });
  }
  if (searches.empty() || options.budget.count() <= 0) return results;
  std::vector<std::function<void()>> jobs;
  for (Search& search : searches) {
    search.candidates = matrix_candidates(search.result.key, kernels.matrix_units());
    for (const MatrixTiles& tiles : search.candidates) {
      jobs.emplace_back(
          [&kernels, product = search.products.front(), tiles] { kernels.prepare(product, tiles); });
    }
  }
  Compilers compilers(std::move(jobs));
  size_t job = 0;
  for (Search& search : searches) {
    std::vector<std::future<void>> compiled;
    for (size_t i = 0; i < search.candidates.size(); ++i) compiled.push_back(compilers.result(job++));
    run(device, kernels, search, compiled, end);
    device.demand_alive();  // what a lost device told is nothing
    results.push_back(search.result);
    // What was never compared with anything is left for another day.
    if (search.result.tried > 1)
      known[search.result.key] = {search.result.tiles, search.result.seconds * 1e6};
  }
  write_matrix_memory(memory, owner, known);
  return results;
}

}  // namespace caldera::kernels

#include "kernels/tuner.hpp"

#include <algorithm>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <set>

#include "caldera/error.hpp"
#include "kernels/compilers.hpp"
#include "kernels/product_candidates.hpp"
#include "kernels/product_timer.hpp"

namespace caldera::kernels {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kRuns = 4;
/// What is slower than the best by this much when it is first run is not run again.
constexpr double kHopeless = 1.2;
/// Where the step cannot tell, what is faster alone by less than this is not worth a change.
constexpr double kWorthwhile = 0.95;
/// Choices that take up to so much longer than the best alone, and so many of them, are tried in the step
/// too.
constexpr double kRival = 1.1;
constexpr size_t kMostRivals = 3;
/// What makes the step faster by less than this may be chance, or turn round when the device is warm.
constexpr double kWorthwhileInStep = 0.99;
/// Of a step, about so much is run for a trial.
constexpr double kStepSeconds = 2.5e-3;
/// Of the time, kept for the step.
constexpr double kStepTime = 0.3;
constexpr size_t kMostProducts = 256;
constexpr std::chrono::milliseconds kWarmUp{400};

/// The search for one key.
struct Search {
  TunedProduct result;
  std::vector<Product> products;  ///< that are timed
  std::unique_ptr<ProductTimer> timer;
  ProductChoice usual;
  ProductChoice best;
  double usual_seconds = 0;  ///< of all products timed
  double best_seconds = 0;
  std::set<ProductChoice> tried;
  std::map<ProductChoice, double> timed;  ///< seconds of all products timed
  bool done = false;

  uint64_t step_bytes() const { return result.products * result.bytes; }
};

/// One candidate of one search.
struct Trial {
  Search* search;
  ProductChoice choice;
  std::future<void> compiled;
};

class Tuner {
 public:
  Tuner(vulkan::Device& device, Kernels& kernels, uint32_t vectors, const TuneOptions& options)
      : device_(device),
        kernels_(kernels),
        vectors_(vectors),
        options_(options),
        end_(Clock::now() + std::chrono::duration_cast<Clock::duration>((1 - kStepTime) * options.budget)) {}

  void run(std::vector<Search>& searches) {
    std::vector<Trial> trials;
    for (Search& search : searches) {
      begin(search);
      if (!search.done) trials.push_back({&search, search.usual, {}});
    }
    // The neighbours of the usual choices are compiled while those are timed.
    for (Trial& trial : next_trials(searches)) trials.push_back(std::move(trial));
    for (; !trials.empty() && !late(); trials = next_trials(searches)) {
      std::vector<std::function<void()>> jobs;
      jobs.reserve(trials.size());
      for (const Trial& trial : trials) {
        jobs.emplace_back([this, search = trial.search, choice = trial.choice] {
          kernels_.prepare(search->products.front(), vectors_, choice);
        });
      }
      Compilers compilers(std::move(jobs));
      for (size_t i = 0; i < trials.size(); ++i) trials[i].compiled = compilers.result(i);
      for (Trial& trial : trials) {
        if (!await(trial)) break;
        time(trial);
      }
    }
    for (Search& search : searches) settle(search);
    end_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(kStepTime * options_.budget);
    settle_together(searches);
    for (Search& search : searches) {
      kernels_.choose(search.result.key, search.result.choice);
      const auto count = static_cast<double>(search.products.size());
      search.result.usual_seconds = search.usual_seconds / count;
      const auto known = search.timed.find(search.result.choice);
      if (known != search.timed.end()) search.result.seconds = known->second / count;
    }
  }

 private:
  bool late() const { return Clock::now() >= end_; }

  /// Waits until a trial's pipeline is compiled, but no longer than there is time. The device computes
  /// meanwhile: one that is idle lowers its clocks, and takes a while to raise them.
  bool await(const Trial& trial) {
    while (!late() && trial.compiled.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
      if (!keep_busy())
        trial.compiled.wait_until(std::min(end_, Clock::now() + std::chrono::milliseconds(1)));
    }
    return !late();
  }

  /// Runs something that can be run. False where there is nothing yet.
  bool keep_busy() {
    if (running_ == nullptr) return false;
    try {
      running_->timer->seconds(running_->usual, kRuns);
    } catch (const Error&) {
      running_ = nullptr;
    }
    return running_ != nullptr;
  }

  void begin(Search& search) {
    // Some layers' weights, taken evenly from all of them.
    const uint64_t wanted =
        std::clamp<uint64_t>(options_.bytes / std::max<uint64_t>(search.result.bytes, 1), 1, kMostProducts);
    const size_t count = std::min<size_t>(wanted, search.products.size());
    std::vector<Product> some;
    for (size_t i = 0; i < count; ++i) some.push_back(search.products[i * search.products.size() / count]);
    search.products = std::move(some);
    search.usual = search.best = kernels_.choice(search.result.key);
    search.tried.insert(search.usual);
    try {
      search.timer = std::make_unique<ProductTimer>(device_, kernels_, search.products, vectors_);
    } catch (const Error&) {  // no memory to work in
      search.done = true;
    }
  }

  /// Neighbours of each search's best that were not tried yet; a search that has none is done.
  std::vector<Trial> next_trials(std::vector<Search>& searches) const {
    std::vector<Trial> trials;
    for (Search& search : searches) {
      if (search.done) continue;
      search.done = true;
      for (const ProductChoice& choice :
           neighbours(search.best, search.result.key, kernels_.workgroup_limits())) {
        if (!search.tried.insert(choice).second) continue;
        search.done = false;
        trials.push_back({&search, choice, {}});
      }
    }
    return trials;
  }

  void time(Trial& trial) {
    Search& search = *trial.search;
    try {
      trial.compiled.get();
      if (trial.choice == search.usual) {
        // A device that was idle takes a while to reach its clocks.
        const auto until =
            std::min(Clock::now() + std::min<Clock::duration>(kWarmUp, (end_ - Clock::now()) / 3), end_);
        while (running_ == nullptr && Clock::now() < until) search.timer->seconds(search.usual, kRuns);
        running_ = &search;
        search.usual_seconds = search.best_seconds = search.timer->seconds(search.usual, kRuns);
        search.timed[search.usual] = search.usual_seconds;
        ++search.result.tried;
        return;
      }
      if (search.usual_seconds == 0) return;  // it could not be run: nothing of it will be
      const double seconds = search.timer->seconds(trial.choice, kRuns, kHopeless * search.best_seconds);
      search.timed[trial.choice] = seconds;
      ++search.result.tried;
      if (seconds >= search.best_seconds) return;
      search.best = trial.choice;
      search.best_seconds = seconds;
    } catch (const Error&) {  // the driver cannot compile or run it: then it is not for this device
    }
  }

  /// Times usual and best once more, in turn: what was found may have been found by chance.
  void settle(Search& search) {
    search.result.choice = search.usual;
    if (search.best != search.usual) {
      try {
        for (int turn = 0; turn < 2; ++turn) {
          search.usual_seconds = std::min(search.usual_seconds, search.timer->seconds(search.usual, 2));
          search.best_seconds = std::min(search.best_seconds, search.timer->seconds(search.best, 2));
        }
        if (search.best_seconds < kWorthwhile * search.usual_seconds) search.result.choice = search.best;
        search.timed[search.usual] = search.usual_seconds;
        search.timed[search.best] = search.best_seconds;
      } catch (const Error&) {
      }
    }
    search.timer.reset();
  }

  /// What is fastest alone is not always so between the others: each kernel's code has to come to the
  /// multiprocessors anew, and it starts while the one before ends. So some layers of a step are run, first
  /// all as usual, and for each key what was fast alone must show there that it is.
  void settle_together(std::vector<Search>& searches) {
    const Search& first = searches.front();
    if (!options_.step || first.usual_seconds == 0) return;
    const auto bytes = static_cast<uint64_t>(static_cast<double>(first.products.size() * first.result.bytes) /
                                             first.usual_seconds * kStepSeconds);
    for (Search& search : searches) kernels_.choose(search.result.key, search.usual);
    try {
      const vulkan::Stopwatch stopwatch(device_);
      std::set<ProductKey> keys;
      const auto step_seconds = [&] {
        return seconds_of(
            device_, stopwatch, [&](vulkan::Recording& recording) { keys = options_.step(recording, bytes); },
            1, 1e9);
      };
      step_seconds();
      for (Search& search : searches) {
        if (late()) return;
        if (keys.contains(search.result.key)) try_rivals(search, step_seconds);
      }
    } catch (const Error&) {  // no memory to work in: then what is fastest alone it is
    }
  }

  /// Makes the choice of a key by what the step takes, the others being as they are chosen now.
  void try_rivals(Search& search, const std::function<double()>& step_seconds) {
    std::vector<std::pair<double, ProductChoice>> rivals;
    for (const auto& [choice, seconds] : search.timed) {
      if (choice != search.usual && seconds < kRival * search.best_seconds)
        rivals.emplace_back(seconds, choice);
    }
    std::ranges::sort(rivals);
    rivals.resize(std::min(rivals.size(), kMostRivals));
    ProductChoice chosen = search.usual;
    for (const auto& [alone, rival] : rivals) {
      double mine = 1e9;
      double theirs = 1e9;
      // In turn, because clocks and temperatures drift.
      for (int turn = 0; turn < 2; ++turn) {
        kernels_.choose(search.result.key, chosen);
        mine = std::min(mine, step_seconds());
        kernels_.choose(search.result.key, rival);
        theirs = std::min(theirs, step_seconds());
      }
      if (theirs < kWorthwhileInStep * mine) chosen = rival;
    }
    search.result.choice = chosen;
    kernels_.choose(search.result.key, chosen);
  }

  vulkan::Device& device_;
  Kernels& kernels_;
  uint32_t vectors_;
  const TuneOptions& options_;
  Clock::time_point end_;
  Search* running_ = nullptr;  ///< one whose usual choice has been run
};

/// The products of int8 vectors by key, those first that take most of a step.
std::vector<Search> searches_of(std::span<const Product> products, uint32_t vectors) {
  std::map<ProductKey, Search> by_key;
  for (const Product& product : products) {
    if (product.input == Input::kF32) continue;
    const ProductKey key = key_of(product, vectors);
    Search& search = by_key[key];
    search.result.key = key;
    search.result.bytes = weight_bytes(*product.weights);
    ++search.result.products;
    search.products.push_back(product);
  }
  std::vector<Search> searches;
  searches.reserve(by_key.size());
  for (auto& [key, search] : by_key) searches.push_back(std::move(search));
  std::ranges::stable_sort(searches, std::greater{}, &Search::step_bytes);
  return searches;
}

}  // namespace

std::vector<TunedProduct> tune(vulkan::Device& device, Kernels& kernels, std::span<const Product> products,
                               uint32_t vectors, const std::filesystem::path& memory,
                               const TuneOptions& options) {
  if (device.compile_only() || !(kernels.prefers_int8() || options.any_device)) return {};
  const ProductMemoryOwner owner = product_memory_owner(device, kernels.workgroup_limits());
  RememberedChoices known = read_product_memory(memory, owner);
  std::vector<Search> searches = searches_of(products, vectors);
  std::vector<TunedProduct> results;
  if (!options.again) {
    std::erase_if(searches, [&](Search& search) {
      const auto found = known.find(search.result.key);
      if (found == known.end()) return false;
      kernels.choose(search.result.key, found->second.choice);
      search.result.choice = found->second.choice;
      search.result.seconds = found->second.microseconds * 1e-6;
      search.result.remembered = true;
      results.push_back(search.result);
      return true;
    });
  }
  if (searches.empty()) return results;
  Tuner(device, kernels, vectors, options).run(searches);
  device.demand_alive();  // a candidate that cannot be run is passed over; what a lost device told is nothing
  for (const Search& search : searches) {
    results.push_back(search.result);
    // What was never compared with anything is left for another day.
    if (search.result.tried > 1) {
      known[search.result.key] = {search.result.choice, search.result.seconds * 1e6};
    }
  }
  write_product_memory(memory, owner, known);
  return results;
}

}  // namespace caldera::kernels

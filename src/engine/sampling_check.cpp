#include "engine/sampling_check.hpp"

#include <cmath>
#include <random>
#include <string>
#include <string_view>

#include "caldera/error.hpp"
#include "kernels/state.hpp"

namespace caldera::engine {

void check_sampling(const SamplingOptions& s) {
  const auto demand = [](bool holds, std::string_view what) {
    if (!holds) throw Error(ErrorKind::kUsage, std::string(what));
  };
  demand(std::isfinite(s.temperature) && s.temperature >= 0, "the temperature must be 0 or more");
  demand(s.top_p > 0 && s.top_p <= 1, "top-p must be above 0 and at most 1");
  demand(s.min_p >= 0 && s.min_p <= 1, "min-p must be between 0 and 1");
  demand(s.top_k <= kernels::kMaxTopK, "top-k must be at most 1024 (0: off)");
  demand(std::isfinite(s.repeat_penalty) && s.repeat_penalty > 0, "the repeat penalty must be above 0");
  demand(std::isfinite(s.presence_penalty) && std::isfinite(s.frequency_penalty), "penalties must be finite");
}

uint64_t random_seed() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

}  // namespace caldera::engine

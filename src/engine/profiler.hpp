// Times recordings dispatch by dispatch, and adds up what their operations took.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/profile.hpp"
#include "kernels/kernels.hpp"
#include "model/program.hpp"
#include "vulkan/recording.hpp"
#include "vulkan/timestamps.hpp"

namespace caldera::engine {

class Profiler {
 public:
  Profiler(vulkan::Device& device, kernels::Kernels& kernels) : device_(device), kernels_(kernels) {}

  /// The recording `plain` once more, with timestamps: `operations` recorded for `target`. Whatever it gave
  /// before must be done, and is added up first. Errors: kDevice where the device has no timestamps.
  const vulkan::Recording& timed(const vulkan::Recording& plain, kernels::Kernels::Target target,
                                 std::span<const model::Operation* const> operations);

  /// What is asked for from here on belongs to one run; when decoding, each of `sequences` sequences reads
  /// `keys` keys. 0: not known.
  void begin_run(uint32_t keys, uint32_t sequences);
  /// Everything of the run must be done.
  void end_run();
  /// Forgets the runs so far, which only warmed up.
  void forget();
  /// Of the runs since then.
  Profile profile() const;

 private:
  /// What a dispatch is called after its kernel's name, and what it reads.
  struct Role {
    std::string shape;
    uint64_t weight_bytes = 0;
    uint64_t kv_bytes = 0;  ///< for each key and its value
    uint32_t window = 0;    ///< keys that are read at most; 0: all
  };
  struct Timed {
    Timed(vulkan::Device& device, uint32_t dispatches)
        : timestamps(device, dispatches), recording(device, &timestamps) {}
    vulkan::Timestamps timestamps;
    vulkan::Recording recording;
    std::vector<Role> roles;  ///< of each dispatch
  };
  struct Sum {
    std::vector<double> seconds;  ///< of each dispatch
    double bytes = 0;
  };

  static Role role_of(const model::Operation& operation);
  void collect();

  vulkan::Device& device_;
  kernels::Kernels& kernels_;
  std::map<const vulkan::Recording*, std::unique_ptr<Timed>> timed_;  ///< by their plain ones
  const Timed* running_ = nullptr;                                    ///< not added up yet
  uint32_t keys_ = 0;
  uint32_t sequences_ = 0;
  uint32_t runs_ = 0;
  uint64_t dispatches_ = 0;
  uint64_t barriers_ = 0;
  std::map<std::string, Sum> sums_;
  std::vector<double> gaps_;
};

}  // namespace caldera::engine

// Where the time of a decode step or a prompt goes, dispatch by dispatch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace caldera::engine {

/// All dispatches of one kernel on weights of one shape. Figures are those of one run, the mean over all.
struct ProfiledOperation {
  std::string name;           ///< of the kernel, and of its weights: "matvec_Q4_K 28672x4096 swiglu"
  double count = 0;           ///< dispatches
  double seconds = 0;         ///< of all of them
  double median_seconds = 0;  ///< of one, over all runs
  double bytes = 0;           ///< of weights, or of keys and values when decoding; 0: not known

  /// 10^9 bytes a second; 0 where the bytes are not known.
  double gigabytes_per_second() const { return seconds > 0 ? bytes / seconds * 1e-9 : 0; }
};

/// Runs of one thing (a decode step, a prompt) with a timestamp before and after every dispatch. Timestamps
/// cost time: how long a run takes without them is for others to say.
///
/// A dispatch counts from when it could start, or from the end of those before it where they overlap, to its
/// end; what is left between them are the gaps. So the parts add up to the whole.
struct Profile {
  uint32_t runs = 0;
  double dispatches = 0;                      ///< in a run
  double barriers = 0;                        ///< in a run
  std::vector<ProfiledOperation> operations;  ///< the longest first
  double gaps = 0;                            ///< in a run: dispatches that began after all before had ended
  double gap_seconds = 0;                     ///< in a run
  double median_gap_seconds = 0;              ///< of one
  double seconds = 0;                         ///< of a run: operations and gaps
};

}  // namespace caldera::engine

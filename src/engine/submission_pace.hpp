// How much is submitted at once, so that no submission takes much longer than a target: amdgpu's watchdog
// resets a ring whose job outlives it, and who else uses the device waits for the end of a submission.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/cost_model.hpp"
#include "engine/pass_cuts.hpp"
#include "engine/work.hpp"

namespace caldera::engine {

/// A pass's operations, as their time goes.
struct PassWork {
  /// Those from `head` on come after the layers.
  PassWork(PassKind kind, std::vector<OperationWork> operations, size_t head);

  PassKind kind;
  std::vector<OperationWork> operations;
  size_t head;
  PassCuts cuts;
  std::vector<OperationWork> all;  ///< merged()
};

/// The next tokens of a prompt, and in which parts their pass is submitted.
struct NextRead {
  uint32_t tokens = 0;
  std::vector<OperationRun> parts;
};

/// Decides from the shape of the work and from what earlier submissions took. Passes that take less than the
/// target are submitted whole. What takes longer is cut into runs of operations; a prompt is read in smaller
/// batches only where one operation alone takes too long, because weights are read once a batch.
class SubmissionPace {
 public:
  struct Options {
    double target = 0.1;             ///< seconds
    double units_per_second = 2e10;  ///< see CostModel
    uint32_t most_tokens = 512;      ///< of a prompt in one batch
    uint32_t most_ahead = 4;         ///< steps
  };
  explicit SubmissionPace(const Options& options);

  /// In which parts a pass is submitted.
  std::vector<OperationRun> parts(const PassWork& pass, const PassTokens& tokens) const;
  /// How many of `left` tokens of a prompt are read next, after `first` others, and how. A single token is
  /// read only where one is left at first: steps may compute with other kernels than prompts.
  NextRead next_read(const PassWork& reading, uint32_t first, uint32_t left) const;
  /// Steps worth submitting ahead of the host.
  uint32_t steps_ahead(const PassWork& step, const PassTokens& tokens) const;
  /// Seconds of work that may be under way when another part is submitted: cancelling waits for it.
  double target() const { return options_.target; }  ///< seconds
  double most_under_way() const { return 3 * options_.target; }

  /// Predicted seconds of a part.
  double seconds(const PassWork& pass, const OperationRun& run, const PassTokens& tokens) const;
  /// What the part took. Parts that are short teach nothing: what they take is not for their work.
  void observe(const PassWork& pass, const OperationRun& run, const PassTokens& tokens, double seconds);

  /// Whether it is known how long prompts take.
  bool has_read() const { return costs_.knows(PassKind::kRead); }
  /// Predicted device time of reading `tokens` tokens after `first` others; 0 before anything was read.
  double seconds_to_read(const PassWork& reading, uint32_t first, uint32_t tokens) const;

 private:
  /// Appends the coarsest parts of a node that are short enough; false: one cannot be cut and is not.
  bool cut(const PassWork& pass, const PassTokens& tokens, uint32_t node,
           std::vector<OperationRun>& parts) const;

  Options options_;
  CostModel costs_;
};

}  // namespace caldera::engine

// Whose tokens are read and decoded next.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "engine/service_answer.hpp"

namespace caldera::engine {

/// Answers side by side, in turns. In a turn those that were cancelled leave, a batch of one prompt is read,
/// and what has been read joins the decode batch, which makes steps: some ahead of the host while nobody
/// joins, one at a time beside prompts. For a thread that holds the engine's mutex.
class Scheduler {
 public:
  /// Takes all slots of the engine, which must be free. Errors: kUsage.
  Scheduler(Engine& engine, const text::Tokenizer& tokenizer, const ServiceOptions& options,
            ServiceTotals& totals);
  /// Ends all with kCancelled, and gives the slots back.
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  uint32_t free_slots() const { return static_cast<uint32_t>(free_.size()); }
  bool busy() const { return !answers_.empty(); }
  /// Gives the request a slot; there must be a free one.
  void start(std::shared_ptr<ServiceRequest> request);
  /// Goes on with all for about a step. Through losses of the device; what cannot be mended ends the answers.
  void turn();

 private:
  using Clock = std::chrono::steady_clock;

  void work();
  void end_all(StopReason reason, const std::string& error);
  void recover(const vulkan::DeviceLost& loss);
  void end_cancelled();
  /// Lets answers join and leave the decode batch, and frees the slots of those that have ended.
  void reform();
  /// Reads some of a prompt.
  void read_next();
  /// The one whose prompt is read now: by turns who waits longest, and who needs least. Null: none.
  Answer* next_reader();
  /// Memory for a prompt was refused: it waits for another to leave, or ends.
  void wait_for_memory(Answer& reader, const std::string& error);
  /// Makes and waits for a step.
  void step();
  /// Makes room for one step more than are under way; false: it cannot be submitted.
  bool prepare_step(uint32_t& longest);
  /// Waits for the oldest step, and takes its tokens.
  void take_step();
  void drain() {
    while (!in_flight_.empty()) take_step();
  }
  bool any(const std::function<bool(const Answer&)>& which) const;

  Engine& engine_;
  const text::Tokenizer& tokenizer_;
  double longest_stall_;
  ServiceTotals& totals_;
  std::vector<uint32_t> free_;
  std::vector<std::unique_ptr<Answer>> answers_;  ///< the oldest first
  std::vector<Answer*> batch_;                    ///< of steps; entry i is batch_[i]
  std::deque<uint64_t> in_flight_;                ///< steps of that batch
  bool changed_ = false;                          ///< answers have joined or left
  std::vector<const Answer*> without_memory_;     ///< wait for others to leave
  bool shortest_next_ = false;
  bool fresh_ = true;            ///< nothing is under way that a loss could be counted with
  double step_seconds_ = 0;      ///< that a step takes
  Clock::time_point last_step_;  ///< when the last one was done
  bool undisturbed_ = false;     ///< since then no prompt was read
};

}  // namespace caldera::engine

// What the engine does about a lost device.
#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "caldera/error.hpp"
#include "engine/engine.hpp"

namespace caldera::engine {
namespace {

using Clock = std::chrono::steady_clock;

/// A device that its driver resets cannot be found for a while. Before the second attempt to open it; twice
/// as long before each that follows.
constexpr std::chrono::milliseconds kPause{500};

}  // namespace

ResidentModel& Engine::resident() const {
  if (resident_ == nullptr) throw vulkan::DeviceLost(last_loss_);
  return *resident_;
}

void Engine::make_resident(const model::LoadCallback& progress) {
  resident_ = std::make_unique<ResidentModel>(spec_, options_, device_info_.name, make_weights_, progress);
  validation_logs_.push_back(resident_->validation_log());
  device_info_ = resident_->physical().info;
  for (uint32_t i = 0; i < slots_.size(); ++i) {
    slots_[i].attach(&resident_->slot(i));
    restore_kept(i);
  }
}

void Engine::drop_resident(const vulkan::DeviceLost& loss) {
  last_loss_ = loss.what();
  if (dynamic_cast<const LostWhileTuning*>(&loss) != nullptr) options_.tuning = Tuning::kOff;
  for (Slot& slot : slots_) slot.attach(nullptr);
  prefixes_.clear();
  resident_.reset();
}

void Engine::load() {
  const auto progress = [&](uint64_t done, uint64_t total) {
    return !options_.progress || options_.progress({done, total});
  };
  try {
    make_resident(progress);
  } catch (const vulkan::DeviceLost& loss) {
    if (options_.recoveries == 0) throw;
    if (!recover(loss)) throw Error(ErrorKind::kUsage, "loading was cancelled");
    accomplished();
  }
  options_.progress = nullptr;  // it may refer to what goes when loading has ended
  if (options_.tuning == Tuning::kAgain) options_.tuning = Tuning::kAuto;
}

bool Engine::recover(const vulkan::DeviceLost& loss) {
  if (!lost_since_) lost_since_ = Clock::now();
  const auto too_often = [&] { return ++losses_ > options_.recoveries; };
  const bool wrote = std::ranges::any_of(slots_, [](const Slot& slot) { return !slot.tokens.empty(); });
  const std::string safe = wrote ? "; the text so far is safe" : "";
  drop_resident(loss);
  for (auto pause = kPause;;) {
    if (too_often()) {
      throw Error(ErrorKind::kDevice, options_.recoveries == 0
                                          ? last_loss_ + safe
                                          : fmt::format("the device was lost {} times in a row: {}{}",
                                                        losses_, last_loss_, safe));
    }
    if (!tell(DeviceLoss::Stage::kLost)) return false;
    bool cancelled = false;
    try {
      make_resident([&](uint64_t done, uint64_t total) {
        const LoadProgress progress{done, total};
        // While the model is loaded for the first time, who loads it is told as of any loading.
        cancelled =
            options_.progress ? !options_.progress(progress) : !tell(DeviceLoss::Stage::kReloading, progress);
        return !cancelled;
      });
      return true;
    } catch (const vulkan::DeviceLost& again) {
      drop_resident(again);
    } catch (const Error& error) {
      if (cancelled) return false;
      if (error.kind() != ErrorKind::kDevice || losses_ == options_.recoveries) {
        throw Error(error.kind(),
                    fmt::format("the device was lost ({}), and the model cannot be loaded again: {}{}",
                                last_loss_, error.what(), safe));
      }
      std::this_thread::sleep_for(pause);
      pause *= 2;
    }
  }
}

void Engine::accomplished() {
  losses_ = 0;
  if (!lost_since_) return;
  tell(DeviceLoss::Stage::kRestored);
  lost_since_.reset();
}

void Engine::settle() {
  if (resident_ == nullptr) return;
  try {
    wait_all();
  } catch (const vulkan::DeviceLost& loss) {
    drop_resident(loss);
  }
}

bool Engine::tell(DeviceLoss::Stage stage, const LoadProgress& progress) {
  if (!options_.on_device_lost) return true;
  DeviceLoss loss;
  loss.stage = stage;
  loss.reason = last_loss_;
  loss.in_a_row = losses_;
  loss.progress = progress;
  loss.seconds = std::chrono::duration<double>(Clock::now() - lost_since_.value_or(Clock::now())).count();
  return options_.on_device_lost(loss);
}

std::vector<float> Engine::logits_from(uint32_t slot, uint32_t first) {
  begin_call();
  for (;;) {
    try {
      std::vector<float> logits = try_logits_from(slot, first);
      accomplished();
      return logits;
    } catch (const vulkan::DeviceLost& loss) {
      if (!recover(loss))
        throw Error(ErrorKind::kUsage, "reading was cancelled while the model was loaded again");
    }
  }
}

std::vector<std::string> Engine::validation_messages() const {
  std::vector<std::string> all;
  for (const auto& log : validation_logs_) all.insert(all.end(), log->messages.begin(), log->messages.end());
  return all;
}

}  // namespace caldera::engine

#include "cli/device_loss.hpp"

#include <unistd.h>

#include <memory>
#include <optional>

#include "cli/interrupt.hpp"
#include "cli/output.hpp"
#include "cli/progress_bar.hpp"

namespace caldera::cli {

std::function<bool(const DeviceLoss&)> device_loss_reporter(bool quiet) {
  return [quiet, bar = std::make_shared<std::optional<ProgressBar>>()](const DeviceLoss& loss) {
    switch (loss.stage) {
      case DeviceLoss::Stage::kLost:
        bar->reset();
        if (!quiet) {
          // An answer may stand on the same line.
          const bool one_screen = isatty(STDOUT_FILENO) == 1 && isatty(STDERR_FILENO) == 1;
          say("{}the device was lost ({}); loading the model again{}", one_screen ? "\n" : "",
              one_line(loss.reason), loss.in_a_row > 1 ? fmt::format(" (attempt {})", loss.in_a_row) : "");
        }
        bar->emplace("loading again", !quiet);
        break;
      case DeviceLoss::Stage::kReloading:
        if (*bar) {
          (*bar)->update(loss.progress.bytes_done, loss.progress.bytes_total,
                         fmt::format("{} of {}", human_bytes(loss.progress.bytes_done),
                                     human_bytes(loss.progress.bytes_total)));
        }
        if (loss.progress.bytes_done == loss.progress.bytes_total) bar->reset();
        break;
      case DeviceLoss::Stage::kRestored:
        bar->reset();
        if (!quiet) say("the device is back after {:.1f} s; nothing was lost", loss.seconds);
        break;
    }
    return !interrupt::pending();
  };
}

}  // namespace caldera::cli

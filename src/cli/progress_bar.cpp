#include "cli/progress_bar.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "cli/output.hpp"

namespace caldera::cli {
namespace {

constexpr size_t kBarWidth = 28;
constexpr size_t kLeastBarWidth = 8;

size_t terminal_width() {
  winsize size = {};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

ProgressBar::ProgressBar(std::string label, bool wanted, std::chrono::milliseconds delay)
    : label_(std::move(label)), enabled_(wanted && isatty(STDERR_FILENO) == 1), next_(start_ + delay) {}

double ProgressBar::seconds() const {
  return std::chrono::duration<double>(Clock::now() - start_).count();
}

void ProgressBar::update(uint64_t done, uint64_t total, std::string_view detail) {
  if (!enabled_ || Clock::now() < next_) return;
  next_ = Clock::now() + std::chrono::milliseconds(100);
  const double share =
      total > 0 ? std::min(1.0, static_cast<double>(done) / static_cast<double>(total)) : 0.0;
  // A line that wraps could not be wiped. What it says in words goes before the bar.
  const size_t room = terminal_width() - 1;
  const size_t words = label_.size() + std::string_view(" [] 100%  ").size() + detail.size();
  const size_t width = std::min(kBarWidth, room - std::min(room, words));
  const auto filled = static_cast<size_t>(share * static_cast<double>(width));
  const std::string bar = width < kLeastBarWidth ? ""
                                                 : fmt::format("[{}{}] ", std::string(filled, '#'),
                                                               std::string(width - filled, '.'));
  const std::string line = fmt::format("{} {}{:3.0f}%  {}", label_, bar, share * 100, detail);
  write_error(fmt::format("\r{}\x1b[K", std::string_view(line).substr(0, room)));
  drawn_ = true;
}

void ProgressBar::clear() noexcept {
  if (drawn_) write_error("\r\x1b[K");
  drawn_ = false;
}

}  // namespace caldera::cli

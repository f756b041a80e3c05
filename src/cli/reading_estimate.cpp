#include "cli/reading_estimate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace caldera::cli {
namespace {

/// The first pieces wait for kernels to be compiled and are no larger than a device of unknown speed is
/// given.
constexpr uint32_t kWarmUp = 2;
constexpr double kLeastPieces = 5;
/// What a piece weighs beside the one after it: some fifty count, so that what slowed the device down for a
/// while is forgotten.
constexpr double kFading = 0.98;
/// Twice the standard error of what is left, as a share of it, that is still shown.
constexpr double kMostError = 0.25;

}  // namespace

void ReadingEstimate::add(uint64_t done, double seconds) {
  const auto now = static_cast<double>(done);
  if (now <= done_) return;  // its time counts with the next
  const double u = now - done_;
  const double v = u * (before_ + (done_ + now) / 2);
  const double y = seconds - seconds_;
  done_ = now;
  seconds_ = seconds;
  if (++pieces_ <= kWarmUp) return;
  for (double* sum : {&count_, &uu_, &uv_, &vv_, &uy_, &vy_, &yy_}) *sum *= kFading;
  count_ += 1;
  uu_ += u;
  uv_ += v;
  vv_ += v * v / u;
  uy_ += y;
  vy_ += v * y / u;
  yy_ += y * y / u;
}

std::optional<double> ReadingEstimate::seconds_left() const {
  if (count_ < kLeastPieces * kFading * kFading) return std::nullopt;
  const double u = total_ - done_;
  const double v = u * (before_ + (done_ + total_) / 2);
  const double determinant = uu_ * vv_ - uv_ * uv_;
  if (determinant <= 1e-9 * uu_ * vv_) return std::nullopt;  // all of one depth
  double a = (vv_ * uy_ - uv_ * vy_) / determinant;
  double b = (uu_ * vy_ - uv_ * uy_) / determinant;
  // Neither costs less than nothing.
  if (b < 0) {
    a = uy_ / uu_;
    b = 0;
  } else if (a < 0) {
    a = 0;
    b = vy_ / vv_;
  }
  const double left = a * u + b * v;
  const double squares =
      std::max(0.0, yy_ - 2 * a * uy_ - 2 * b * vy_ + a * a * uu_ + 2 * a * b * uv_ + b * b * vv_);
  const double noise = squares / (count_ - 2);
  const double error = noise * (u * u * vv_ - 2 * u * v * uv_ + v * v * uu_) / determinant;
  if (2 * std::sqrt(std::max(0.0, error)) > kMostError * left) return std::nullopt;
  return left;
}

std::string human_seconds(double seconds) {
  const double most = 359999;  // a hundred hours: nobody waits so long
  const auto whole = static_cast<uint64_t>(std::ceil(std::clamp(seconds, 0.0, most)));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

std::string describe_reading(uint64_t done, uint64_t total, double seconds, std::optional<double> left) {
  std::string text = fmt::format("{} of {} tokens", done, total);
  if (done > 0 && seconds > 0) {
    const double rate = static_cast<double>(done) / seconds;
    text += fmt::format(", {:.{}f} tokens/s", rate, rate < 10 ? 1 : 0);
  }
  if (left) text += fmt::format(", about {} left", human_seconds(*left));
  return text;
}

}  // namespace caldera::cli

#include "gguf/cursor.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace caldera::gguf {

Cursor::Cursor(std::string name, std::span<const std::byte> bytes)
    : name_(std::move(name)), size_(bytes.size()), window_(bytes) {}

Cursor::Cursor(const InputFile& file) : name_(file.path().string()), file_(&file), size_(file.size()) {}

void Cursor::refill() {
  if (position_ < window_.size() || file_ == nullptr) return;
  constexpr uint64_t kPiece = uint64_t{1} << 20;
  start_ += position_;
  position_ = 0;
  buffer_.resize(static_cast<size_t>(std::min(kPiece, size_ - start_)));
  window_ = {};
  file_->read_at(start_, buffer_, "the header");
  window_ = buffer_;
}

std::span<const std::byte> Cursor::peek() {
  refill();
  const auto ahead = window_.subspan(position_);
  return ahead.first(std::min<size_t>(ahead.size(), 512));
}

void Cursor::read(std::span<std::byte> out) {
  if (out.size() > left()) fail_truncated();
  if (out.size() > kMaxHeaderBytes - std::min(offset(), kMaxHeaderBytes)) {
    fail(fmt::format("the header is longer than the {} MiB that Caldera reads", kMaxHeaderBytes >> 20));
  }
  while (!out.empty()) {
    refill();
    const size_t piece = std::min(out.size(), window_.size() - position_);
    std::copy_n(window_.begin() + static_cast<std::ptrdiff_t>(position_), piece, out.begin());
    position_ += piece;
    out = out.subspan(piece);
  }
}

std::string Cursor::string(uint64_t longest) {
  const auto length = number<uint64_t>();
  if (length > left()) fail_truncated();
  if (length > longest) fail(fmt::format("a string of {} bytes, of {} at most", length, longest));
  std::string text(static_cast<size_t>(length), '\0');
  read(std::as_writable_bytes(std::span(text)));
  return text;
}

uint64_t Cursor::count(uint64_t least_bytes, uint64_t most, std::string_view things) {
  const auto count = number<uint64_t>();
  if (count > left() / least_bytes) {
    fail(fmt::format(
        "{} {} are promised, more than the {} bytes left can hold: the file is damaged or truncated; "
        "fetch it again",
        count, things, left()));
  }
  if (count > most) fail(fmt::format("{} {} are more than the {} that Caldera reads", count, things, most));
  return count;
}

void Cursor::fail(ErrorKind kind, const std::string& message) const {
  throw Error(kind, fmt::format("{}: {} ({}, byte {})", name_, message, context_, offset()));
}

void Cursor::fail_truncated() const {
  fail(fmt::format("the file is truncated: it ends at byte {}, inside its header; fetch it again", size_));
}

}  // namespace caldera::gguf

// Reads the header of a GGUF file from front to back; nothing it does goes past the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "caldera/error.hpp"
#include "gguf/input_file.hpp"

namespace caldera::gguf {

class Cursor {
 public:
  /// The longest header that is read. The largest in use hold vocabularies of some 10 MiB.
  static constexpr uint64_t kMaxHeaderBytes = uint64_t{256} << 20;

  /// Over bytes in memory; `name` is what errors call them.
  Cursor(std::string name, std::span<const std::byte> bytes);
  /// Over a file, read in large pieces. The file must outlive the cursor.
  explicit Cursor(const InputFile& file);

  uint64_t offset() const { return start_ + position_; }  ///< bytes from the start of the file
  uint64_t left() const { return size_ - offset(); }      ///< bytes up to the end of the file

  /// What is being read, for error lines: "key 'x'". A plain string: it is set for every entry.
  void set_context(std::string context) { context_ = std::move(context); }
  const std::string& context() const { return context_; }

  /// Up to 512 of the next bytes, without going past them. Valid until something is read.
  std::span<const std::byte> peek();

  /// The next value of a plain type, little-endian.
  template <class T>
  T number() {
    T value;
    if (window_.size() - position_ >= sizeof(T)) {
      std::memcpy(&value, window_.data() + position_, sizeof(T));
      position_ += sizeof(T);
    } else {
      read(std::as_writable_bytes(std::span(&value, 1)));
    }
    return value;
  }

  /// The next string: 8 bytes of length, then at most `longest` bytes.
  std::string string(uint64_t longest);

  /// A count of things of at least `least_bytes` each, which must fit into what is left, and be at most
  /// `most`. `things` names them in errors: "tensors".
  uint64_t count(uint64_t least_bytes, uint64_t most, std::string_view things);

  /// Throws: NAME: MESSAGE (CONTEXT, byte OFFSET).
  [[noreturn]] void fail(ErrorKind kind, const std::string& message) const;
  [[noreturn]] void fail(const std::string& message) const { fail(ErrorKind::kFormat, message); }
  [[noreturn]] void fail_truncated() const;

 private:
  /// Moves the window on, when all in it has been read.
  void refill();
  /// Fills `out` with what comes next.
  void read(std::span<std::byte> out);

  std::string name_;
  std::string context_ = "the start";
  const InputFile* file_ = nullptr;
  uint64_t size_;                      ///< bytes of the whole file
  std::vector<std::byte> buffer_;      ///< behind window_ when reading a file
  std::span<const std::byte> window_;  ///< the bytes from start_ on that are in memory
  uint64_t start_ = 0;
  size_t position_ = 0;  ///< in window_
};

}  // namespace caldera::gguf

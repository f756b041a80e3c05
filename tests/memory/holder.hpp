// A process that holds a model, watched from outside.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "memory/process_memory.hpp"

namespace caldera::test {

class Holder {
 public:
  /// Starts hold_model on a file; `way`: "copy" or "import".
  Holder(const std::filesystem::path& file, const std::string& way);
  /// Lets it end.
  ~Holder();
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

  /// Waits, at most ten minutes, until the model is loaded and has said something, and returns that; empty
  /// when the process ended instead. Looks at its memory every 5 ms meanwhile.
  std::string wait_until_ready();
  /// The most that it held at once of its own: anonymous memory, private or shared, resident.
  uint64_t peak() const { return peak_; }
  ProcessMemory memory() const { return process_memory(pid_, true); }

 private:
  pid_t pid_ = -1;
  int input_ = -1;
  int output_ = -1;
  uint64_t peak_ = 0;
};

}  // namespace caldera::test

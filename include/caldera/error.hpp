// Errors: one line that says what is wrong, where, and how to mend it.
#pragma once

#include <stdexcept>
#include <string>

namespace caldera {

/// What kind of thing went wrong. The numeric value is the exit code of the `caldera` program.
enum class ErrorKind : int {
  kInternal = 1,     ///< A defect of Caldera's own.
  kUsage = 2,        ///< Impossible options or arguments.
  kFile = 3,         ///< A file is absent, unreadable, changed underneath, or a split of it is missing.
  kFormat = 4,       ///< The file is not a valid GGUF model: not a GGUF, truncated, inconsistent.
  kUnsupported = 5,  ///< A valid model that this version cannot run: architecture, format, tokenizer.
  kDevice = 6,       ///< No usable Vulkan device, a driver too old, or a device lost.
  kMemory = 7,       ///< Memory was refused.
  kContext = 8,      ///< The prompt does not fit the context.
  kInput = 9,        ///< Text that is not valid: broken UTF-8 in a prompt, a template that raises.
};

/// Every error that Caldera reports. `what()` is one line, meant for the user.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}

  ErrorKind kind() const noexcept { return kind_; }
  int exit_code() const noexcept { return static_cast<int>(kind_); }

 private:
  ErrorKind kind_;
};

}  // namespace caldera

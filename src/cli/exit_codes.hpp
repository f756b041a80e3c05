// The program's exit codes, by name.
#pragma once

#include <span>

#include "caldera/error.hpp"

namespace caldera::cli {

struct ExitCode {
  int code;
  const char* name;     ///< as JSON errors say it
  const char* meaning;  ///< one line
};

constexpr int kInterruptedCode = 130;  ///< 128 + SIGINT, as shells count it

std::span<const ExitCode> exit_codes();

/// The name of an error's kind, "format".
const char* kind_name(ErrorKind kind);

}  // namespace caldera::cli

#include "cli/exit_codes.hpp"

#include <array>

namespace caldera::cli {

std::span<const ExitCode> exit_codes() {
  static constexpr std::array kCodes = {
      ExitCode{0, "ok", "everything went well"},
      ExitCode{1, "internal", "a defect of Caldera's own, or no host memory left"},
      ExitCode{2, "usage", "impossible options or arguments"},
      ExitCode{3, "file", "a file is absent, unreadable, or could not be written or fetched"},
      ExitCode{4, "format", "the file is not a valid GGUF model"},
      ExitCode{5, "unsupported", "a valid model that this version cannot run"},
      ExitCode{6, "device", "no usable Vulkan device, a driver too old, or a device lost"},
      ExitCode{7, "memory", "device memory was refused"},
      ExitCode{8, "context", "the prompt does not fit the context"},
      ExitCode{9, "input", "text that is not valid: broken UTF-8, or a chat template that raises"},
      ExitCode{kInterruptedCode, "interrupted", "stopped by Ctrl-C"},
  };
  return kCodes;
}

const char* kind_name(ErrorKind kind) {
  for (const ExitCode& row : exit_codes()) {
    if (row.code == static_cast<int>(kind)) return row.name;
  }
  return "internal";
}

}  // namespace caldera::cli

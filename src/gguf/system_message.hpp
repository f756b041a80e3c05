// The system's words for an errno.
#pragma once

#include <string>
#include <system_error>

namespace caldera::gguf {

inline std::string system_message(int code) {
  return std::generic_category().message(code);
}

}  // namespace caldera::gguf

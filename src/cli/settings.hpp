// The generation settings a user can name: as options of `caldera run` and in `/set` of a chat.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "caldera/session.hpp"

namespace caldera::cli {

struct Setting {
  const char* name;   ///< "top-k"; the option is --top-k
  const char* flags;  ///< all spellings, as CLI11 declares them
  const char* help;
  /// Sets it from text. Errors: kUsage, naming the setting and its range.
  void (*set)(GenerateOptions& options, std::string_view name, std::string_view value);
  std::string (*get)(const GenerateOptions& options);
};

std::span<const Setting> settings();

}  // namespace caldera::cli

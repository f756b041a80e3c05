#include "engine/cache_folder.hpp"

#include <cstdlib>

namespace caldera::engine {

std::filesystem::path cache_folder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0') {
    return std::filesystem::path(cache) / "caldera" / "pipelines";
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') {
    return std::filesystem::path(home) / ".cache" / "caldera" / "pipelines";
  }
  return {};
}

}  // namespace caldera::engine

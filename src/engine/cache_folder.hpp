// Where what is found out about devices is kept between runs.
#pragma once

#include <filesystem>

namespace caldera::engine {

/// "caldera/pipelines" in $XDG_CACHE_HOME, or in ~/.cache; empty where there is neither.
std::filesystem::path cache_folder();

}  // namespace caldera::engine

// A model's memory as JSON, for every command that prints it.
#pragma once

#include <nlohmann/json.hpp>

#include "caldera/model.hpp"

namespace caldera::cli {

/// By purpose, and heap by heap. Sizes in bytes.
nlohmann::ordered_json to_json(const MemoryUse& memory);

}  // namespace caldera::cli

// JSON from clients, within limits.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string_view>

namespace caldera::server {

struct JsonLimits {
  size_t depth = 64;          ///< of arrays and objects in each other
  size_t values = 1'000'000;  ///< of all kinds, keys too: a small body can hold many, and each takes memory
  size_t keys = 1'000;        ///< of one object: they are looked up one after another
};

/// The value that `body` is. Errors: kInput, one line that says where: not JSON, not UTF-8, a key twice in
/// one object, deeper or more than `limits`.
/// Keys stay in their order: chat templates show tools to the model as they were written.
nlohmann::ordered_json parse_json(std::string_view body, const JsonLimits& limits = {});

}  // namespace caldera::server

// API keys: who may ask, and under which name.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/handler.hpp"

namespace caldera::server {

struct ApiKey {
  std::string client;  ///< the name it goes by, in logs and in the queue
  std::string secret;
};

/// Whether both are the same, in a time that does not depend on where they differ.
bool equal_in_constant_time(std::string_view secret, std::string_view given);

/// A key as it is given on a command line. Errors: kUsage: shorter than 8 characters, or with characters that
/// no header can carry.
ApiKey checked_key(std::string client, std::string secret);

/// Keys of a file: one a line, "SECRET" or "NAME SECRET"; empty lines and those that begin with '#' are left
/// out. A key without a name is "key-1", by its place. Errors: kFile, kUsage.
std::vector<ApiKey> read_keys(const std::filesystem::path& path);

/// The key that a request carries: "Authorization: Bearer SECRET", or "x-api-key: SECRET". Null where it
/// carries none of `keys`; every one of them is compared.
const ApiKey* find_key(const std::vector<ApiKey>& keys, const Headers& headers);

}  // namespace caldera::server

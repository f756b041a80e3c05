#include "server/api_key.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <utility>

#include "caldera/error.hpp"
#include "server/url.hpp"

namespace caldera::server {
namespace {

constexpr size_t kLeastLength = 8;
constexpr size_t kMostKeys = 10'000;
constexpr uintmax_t kMostFileBytes = 1 << 20;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t";
  const size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

/// The secret in a request's headers, empty where there is none.
std::string_view given_secret(const Headers& headers) {
  constexpr std::string_view kScheme = "bearer ";
  for (const Header& header : headers) {
    if (same_header(header.name, "authorization")) {
      const std::string_view value = trimmed(header.value);
      if (value.size() > kScheme.size() && same_header(value.substr(0, kScheme.size()), kScheme)) {
        return trimmed(value.substr(kScheme.size()));
      }
    } else if (same_header(header.name, "x-api-key")) {
      return trimmed(header.value);
    }
  }
  return {};
}

}  // namespace

bool equal_in_constant_time(std::string_view secret, std::string_view given) {
  if (secret.empty()) return false;
  // As many steps as were given, whatever the secret: only its length could show, and only in cache lines.
  volatile size_t difference = secret.size() ^ given.size();
  for (size_t i = 0; i < given.size(); ++i) {
    const auto differs = static_cast<unsigned char>(given[i] ^ secret[i % secret.size()]);
    difference = difference | differs;
  }
  return difference == 0;
}

ApiKey checked_key(std::string client, std::string secret) {
  if (secret.size() < kLeastLength) {
    throw Error(ErrorKind::kUsage, fmt::format("an API key has {} characters and needs {}: "
                                               "'openssl rand -hex 24' makes a good one",
                                               secret.size(), kLeastLength));
  }
  if (std::any_of(secret.begin(), secret.end(), [](char c) { return c <= 0x20 || c >= 0x7f; })) {
    throw Error(ErrorKind::kUsage,
                "an API key may hold ASCII letters, digits and punctuation alone: no header carries others");
  }
  return {std::move(client), std::move(secret)};
}

std::vector<ApiKey> read_keys(const std::filesystem::path& path) {
  std::error_code failure;
  const uintmax_t bytes = std::filesystem::file_size(path, failure);
  if (!failure && bytes > kMostFileBytes) {
    throw Error(ErrorKind::kFile,
                fmt::format("{}: {} bytes are too many for a file of API keys", path.string(), bytes));
  }
  std::ifstream file(path);
  if (failure || !file) {
    throw Error(ErrorKind::kFile, fmt::format("{}: the file of API keys cannot be read: {}", path.string(),
                                              failure ? failure.message() : "no permission"));
  }
  std::vector<ApiKey> keys;
  std::string line;
  while (std::getline(file, line) && keys.size() < kMostKeys) {
    std::istringstream words(line);
    std::string first;
    std::string second;
    words >> first >> second;
    if (first.empty() || first.starts_with('#')) continue;
    if (second.empty()) second = std::exchange(first, fmt::format("key-{}", keys.size() + 1));
    keys.push_back(checked_key(std::move(first), std::move(second)));
  }
  if (keys.empty()) throw Error(ErrorKind::kUsage, fmt::format("{}: holds no API key", path.string()));
  return keys;
}

const ApiKey* find_key(const std::vector<ApiKey>& keys, const Headers& headers) {
  const std::string_view given = given_secret(headers);
  const ApiKey* found = nullptr;
  for (const ApiKey& key : keys) {
    if (equal_in_constant_time(key.secret, given)) found = &key;
  }
  return found;
}

}  // namespace caldera::server

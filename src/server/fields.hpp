// Reading a request's JSON: every field that is wrong is named in the error.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "server/api_error.hpp"

namespace caldera::server {

using Json = nlohmann::ordered_json;

/// A request that cannot be answered as it is.
class RequestError : public std::runtime_error {
 public:
  explicit RequestError(ApiError error) : std::runtime_error(error.message), error_(std::move(error)) {}
  const ApiError& error() const noexcept { return error_; }

 private:
  ApiError error_;
};

/// Throws a RequestError of status 400 about the field `param` ("messages[2].role").
[[noreturn]] void refuse(std::string_view param, std::string message, std::string_view code = {});

/// What the exception that is being handled is to the client: as api_error() says, 500 for what nobody
/// foresaw.
ApiError current_api_error();

/// The fields of one JSON object, read by name; null counts as absent, as in both APIs.
class Fields {
 public:
  /// Keeps a reference to `object`. Errors: 400 where it is no object. `path` is where it lies in the body,
  /// empty for the body itself.
  Fields(const Json& object, std::string path);

  /// Null where it is absent.
  const Json* find(std::string_view name) const;
  const Json& require(std::string_view name) const;

  std::optional<bool> boolean(std::string_view name) const;
  std::optional<double> number(std::string_view name, double least, double most) const;
  std::optional<int64_t> integer(std::string_view name, int64_t least, int64_t most) const;
  std::optional<std::string> string(std::string_view name) const;
  std::string required_string(std::string_view name) const;
  /// One of `values`.
  std::optional<std::string> choice(std::string_view name, const std::vector<std::string_view>& values) const;
  /// Null where it is absent; at most `most` elements.
  const Json* array(std::string_view name, size_t most) const;
  /// A string, or an array of at most `most` strings; empty where it is absent.
  std::vector<std::string> strings(std::string_view name, size_t most) const;
  /// Null where it is absent.
  const Json* object(std::string_view name) const;

  /// "tools[0].name" for "name".
  std::string path_of(std::string_view name) const;

 private:
  const Json& object_;
  std::string path_;
};

/// "tools[3]"
std::string element_path(std::string_view array, size_t index);

/// Throws "expected `wanted`, got a string".
[[noreturn]] void refuse_type(std::string_view param, std::string_view wanted, const Json& value);

}  // namespace caldera::server

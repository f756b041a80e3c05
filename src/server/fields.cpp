#include "server/fields.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <utility>

#include "caldera/error.hpp"

namespace caldera::server {
namespace {

std::string_view type_in_words(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return "null";
    case Json::value_t::boolean:
      return "a boolean";
    case Json::value_t::string:
      return "a string";
    case Json::value_t::array:
      return "an array";
    case Json::value_t::object:
      return "an object";
    case Json::value_t::number_float:
      return "a decimal";
    default:
      return "an integer";
  }
}

}  // namespace

void refuse(std::string_view param, std::string message, std::string_view code) {
  throw RequestError({.status = 400,
                      .message = std::move(message),
                      .code = std::string(code.empty() ? "invalid_value" : code),
                      .param = std::string(param)});
}

void refuse_type(std::string_view param, std::string_view wanted, const Json& value) {
  refuse(param, fmt::format("'{}' must be {}, and is {}", param, wanted, type_in_words(value)),
         "invalid_type");
}

ApiError current_api_error() {
  try {
    throw;
  } catch (const RequestError& error) {
    return error.error();
  } catch (const Error& error) {
    return api_error(error);
  } catch (const std::exception& error) {
    return {.status = 500, .message = fmt::format("the server failed: {}", error.what())};
  }
}

std::string element_path(std::string_view array, size_t index) {
  return fmt::format("{}[{}]", array, index);
}

Fields::Fields(const Json& object, std::string path) : object_(object), path_(std::move(path)) {
  if (!object.is_object()) {
    if (path_.empty()) refuse("", "the body must be a JSON object", "invalid_type");
    refuse_type(path_, "an object", object);
  }
}

std::string Fields::path_of(std::string_view name) const {
  return path_.empty() ? std::string(name) : fmt::format("{}.{}", path_, name);
}

const Json* Fields::find(std::string_view name) const {
  const auto found = object_.find(std::string(name));
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

const Json& Fields::require(std::string_view name) const {
  const Json* value = find(name);
  if (value == nullptr) {
    refuse(path_of(name), fmt::format("'{}' is missing", path_of(name)), "missing_required_parameter");
  }
  return *value;
}

std::optional<bool> Fields::boolean(std::string_view name) const {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) refuse_type(path_of(name), "a boolean", *value);
  return value->get<bool>();
}

std::optional<double> Fields::number(std::string_view name, double least, double most) const {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) refuse_type(path_of(name), "a number", *value);
  const double number = value->get<double>();
  if (!(number >= least && number <= most)) {
    refuse(path_of(name),
           fmt::format("'{}' must be from {} to {}, and is {}", path_of(name), least, most, number));
  }
  return number;
}

std::optional<int64_t> Fields::integer(std::string_view name, int64_t least, int64_t most) const {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  // Clients written in JavaScript may send 16 as 16.0.
  const bool whole =
      value->is_number_integer() || (value->is_number_float() && std::abs(value->get<double>()) < 9e15 &&
                                     value->get<double>() == std::floor(value->get<double>()));
  if (!whole) refuse_type(path_of(name), "an integer", *value);
  const bool beyond = value->is_number_unsigned() && value->get<uint64_t>() > INT64_MAX;
  const int64_t number = beyond                     ? INT64_MAX
                         : value->is_number_float() ? static_cast<int64_t>(value->get<double>())
                                                    : value->get<int64_t>();
  if (beyond || number < least || number > most) {
    refuse(path_of(name),
           fmt::format("'{}' must be from {} to {}, and is {}", path_of(name), least, most, value->dump()));
  }
  return number;
}

std::optional<std::string> Fields::string(std::string_view name) const {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) refuse_type(path_of(name), "a string", *value);
  return value->get<std::string>();
}

std::string Fields::required_string(std::string_view name) const {
  require(name);
  return *string(name);
}

std::optional<std::string> Fields::choice(std::string_view name,
                                          const std::vector<std::string_view>& values) const {
  std::optional<std::string> value = string(name);
  if (value && std::find(values.begin(), values.end(), *value) == values.end()) {
    refuse(path_of(name), fmt::format("'{}' must be one of {}", path_of(name), fmt::join(values, ", ")));
  }
  return value;
}

const Json* Fields::array(std::string_view name, size_t most) const {
  const Json* value = find(name);
  if (value == nullptr) return nullptr;
  if (!value->is_array()) refuse_type(path_of(name), "an array", *value);
  if (value->size() > most) {
    refuse(path_of(name),
           fmt::format("'{}' may have {} elements at most, and has {}", path_of(name), most, value->size()));
  }
  return value;
}

std::vector<std::string> Fields::strings(std::string_view name, size_t most) const {
  const Json* value = find(name);
  if (value == nullptr) return {};
  if (value->is_string()) return {value->get<std::string>()};
  if (!value->is_array()) refuse_type(path_of(name), "a string or an array of strings", *value);
  std::vector<std::string> strings;
  for (const Json& element : *array(name, most)) {
    if (!element.is_string()) refuse_type(element_path(path_of(name), strings.size()), "a string", element);
    strings.push_back(element.get<std::string>());
  }
  return strings;
}

const Json* Fields::object(std::string_view name) const {
  const Json* value = find(name);
  if (value != nullptr && !value->is_object()) refuse_type(path_of(name), "an object", *value);
  return value;
}

}  // namespace caldera::server

#include "text/json_schema.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "caldera/error.hpp"

namespace caldera::text {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxBytes = 1 << 20;
constexpr int kMaxDepth = 100;  // serde_json, which reads it next, ends at 128

template <size_t count>
bool among(const std::array<std::string_view, count>& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

// What llguidance enforces, by what the keyword's value is: https://docs.rs/llguidance, json/schema.rs.
constexpr std::array<std::string_view, 3> kOneSchema = {"items", "additionalItems", "additionalProperties"};
constexpr std::array<std::string_view, 4> kSchemas = {"anyOf", "oneOf", "allOf", "prefixItems"};
constexpr std::array<std::string_view, 4> kNamedSchemas = {"properties", "patternProperties", "$defs",
                                                           "definitions"};
constexpr std::array<std::string_view, 18> kPlain = {
    "$schema",   "$id",       "id",       "$anchor",  "const",         "enum",
    "type",      "minItems",  "maxItems", "required", "minProperties", "maxProperties",
    "minLength", "maxLength", "pattern",  "minimum",  "maximum",       "multipleOf"};
constexpr std::array<std::string_view, 2> kBounds = {"exclusiveMinimum", "exclusiveMaximum"};
constexpr std::array<std::string_view, 10> kFormats = {"date-time", "time", "date", "duration", "email",
                                                       "hostname",  "ipv4", "ipv6", "uuid",     "uri"};
// That say nothing of what is valid, in JSON Schema or in OpenAPI.
constexpr std::array<std::string_view, 17> kAnnotations = {
    "title",         "description",     "default",      "examples",      "example",
    "deprecated",    "readOnly",        "writeOnly",    "$comment",      "contentMediaType",
    "contentSchema", "contentEncoding", "externalDocs", "discriminator", "$vocabulary",
    "xml",           "strict"};

[[noreturn]] void refuse(const std::string& pointer, std::string_view what) {
  throw Error(ErrorKind::kInput, fmt::format("the JSON schema at '#{}': {}", pointer, what));
}

/// One step of a JSON pointer, RFC 6901.
std::string step(std::string_view key) {
  std::string escaped = "/";
  for (const char c : key) {
    if (c == '~') {
      escaped += "~0";
    } else if (c == '/') {
      escaped += "~1";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

void prepare(Json& schema, const std::string& pointer);

void prepare_elements(Json& schemas, const std::string& pointer) {
  if (!schemas.is_array()) refuse(pointer, "an array of schemas is needed");
  for (size_t i = 0; i < schemas.size(); ++i) prepare(schemas[i], fmt::format("{}/{}", pointer, i));
}

void check_reference(const Json& reference, const std::string& pointer) {
  const std::string* target = reference.get_ptr<const Json::string_t*>();
  if (target == nullptr || (*target != "#" && !target->starts_with("#/"))) {
    refuse(pointer, "only references within the schema, '#/...', can be followed");
  }
  if (target->find_first_of("~%") != std::string::npos) {
    refuse(pointer, "references with '~' or '%' cannot be followed: name the schema without '/' and '~'");
  }
}

/// OpenAPI's way to say that null is valid too.
void add_null(Json& schema) {
  if (const auto type = schema.find("type"); type != schema.end()) {
    if (type->is_string()) *type = Json::array({*type});
    if (type->is_array()) type->push_back("null");
  }
  if (const auto values = schema.find("enum"); values != schema.end() && values->is_array()) {
    values->push_back(nullptr);
  }
}

/// Draft 4 has true beside "minimum" where later drafts have the bound itself.
void set_exclusive(Json& schema, const std::string& keyword, const std::string& bound) {
  const bool exclusive = schema[keyword].get<bool>();
  schema.erase(keyword);
  if (!exclusive || !schema.contains(bound)) return;
  schema[keyword] = schema[bound];
  schema.erase(bound);
}

bool is_type(const Json& value) {
  constexpr std::array<std::string_view, 7> kTypes = {"null",   "boolean", "object", "array",
                                                      "number", "string",  "integer"};
  const std::string* type = value.get_ptr<const Json::string_t*>();
  return type != nullptr && among(kTypes, *type);
}

/// The values that keywords of kPlain and kBounds may have, so that a wrong one is told with its place.
void check_plain(const std::string& keyword, const Json& value, const std::string& place) {
  constexpr std::array<std::string_view, 6> kCounts = {"minItems",      "maxItems",  "minProperties",
                                                       "maxProperties", "minLength", "maxLength"};
  constexpr std::array<std::string_view, 5> kNumbers = {"minimum", "maximum", "multipleOf",
                                                        "exclusiveMinimum", "exclusiveMaximum"};
  const auto demand = [&](bool holds, std::string_view what) {
    if (!holds) refuse(place, what);
  };
  if (keyword == "type") {
    demand(is_type(value) || (value.is_array() && std::ranges::all_of(value, is_type)),
           fmt::format("{:.40} is no type: null, boolean, object, array, number, string and integer are",
                       value.dump()));
  } else if (keyword == "enum") {
    demand(value.is_array() && !value.empty(), "an array of values is needed");
  } else if (keyword == "required") {
    demand(value.is_array() && std::ranges::all_of(value, [](const Json& name) { return name.is_string(); }),
           "an array of names is needed");
  } else if (keyword == "pattern") {
    demand(value.is_string(), "a regular expression is needed");
  } else if (among(kCounts, keyword)) {
    demand(value.is_number_unsigned(), "a whole number, 0 or more, is needed");
  } else if (among(kNumbers, keyword)) {
    demand(value.is_number(), "a number is needed");
  }
}

/// Whether the keyword stays.
bool prepare_keyword(const std::string& keyword, Json& value, const std::string& pointer) {
  const std::string place = pointer + step(keyword);
  if (among(kAnnotations, keyword) || keyword.starts_with("x-") || keyword == "nullable") return false;
  if (among(kOneSchema, keyword)) {
    // Before draft 2020-12, "items" may be what "prefixItems" is now.
    if (keyword == "items" && value.is_array()) {
      prepare_elements(value, place);
    } else {
      prepare(value, place);
    }
  } else if (among(kSchemas, keyword)) {
    prepare_elements(value, place);
  } else if (among(kNamedSchemas, keyword)) {
    if (!value.is_object()) refuse(place, "an object of schemas is needed");
    for (auto& [name, named] : value.items()) prepare(named, place + step(name));
  } else if (keyword == "format") {
    const std::string* format = value.get_ptr<const Json::string_t*>();
    return format != nullptr && among(kFormats, *format);
  } else if (keyword == "$ref") {
    check_reference(value, place);
  } else if (!among(kPlain, keyword) && !among(kBounds, keyword)) {
    // A keyword that restricts nothing here is no reason to refuse.
    if (keyword == "uniqueItems" && value == false) return false;
    refuse(pointer, fmt::format("'{}' cannot be enforced: leave it out", keyword));
  } else {
    check_plain(keyword, value, place);
  }
  return true;
}

void prepare(Json& schema, const std::string& pointer) {
  if (schema.is_boolean()) return;
  if (!schema.is_object()) refuse(pointer, "a schema is an object, true or false");
  if (const auto nullable = schema.find("nullable"); nullable != schema.end() && *nullable == true) {
    add_null(schema);
  }
  for (const auto keyword : kBounds) {
    const std::string name(keyword);
    if (schema.contains(name) && schema[name].is_boolean()) {
      set_exclusive(schema, name, name == "exclusiveMinimum" ? "minimum" : "maximum");
    }
  }
  Json kept = Json::object();
  for (auto& [keyword, value] : schema.items()) {
    if (prepare_keyword(keyword, value, pointer)) kept[keyword] = std::move(value);
  }
  schema = std::move(kept);
}

Json parse(std::string_view text) {
  if (text.size() > kMaxBytes) throw Error(ErrorKind::kInput, "the JSON schema is longer than 1 MiB");
  const auto check_depth = [](int depth, Json::parse_event_t, const Json&) {
    if (depth > kMaxDepth) {
      throw Error(ErrorKind::kInput, fmt::format("the JSON schema is nested deeper than {}", kMaxDepth));
    }
    return true;
  };
  try {
    return Json::parse(text, check_depth);
  } catch (const Json::exception& error) {
    throw Error(ErrorKind::kInput, fmt::format("the JSON schema is not valid JSON: {}", error.what()));
  }
}

}  // namespace

std::string prepare_json_schema(std::string_view schema) {
  Json root = parse(schema);
  if (root.is_boolean() && root == true) root = Json::object();
  prepare(root, "");
  if (root.is_object()) {
    root["x-guidance"] = {{"whitespace_flexible", true},
                          {"whitespace_pattern", "( |\\n[ \\t]{0,32})"},
                          {"json_allow_general_unicode_escapes", true},
                          {"coerce_one_of", true}};
  }
  return root.dump(-1, ' ', true);
}

}  // namespace caldera::text

// JSON Schema: what of it can be held, https://json-schema.org/draft/2020-12
#pragma once

#include <string>
#include <string_view>

namespace caldera::text {

/// A schema as llguidance takes it. Annotations are left out, and so are formats that it does not know, which
/// JSON Schema counts as annotations too; "nullable" becomes the type null; oneOf is taken as anyOf. White
/// space between the parts of a value is at most one space, or one line break with an indentation.
/// Errors: kInput for what is no schema or cannot be held, with the JSON pointer of the place and the
/// keyword.
std::string prepare_json_schema(std::string_view schema);

}  // namespace caldera::text

// Reason phrases of HTTP's status codes.
#pragma once

#include <string_view>

namespace caldera::server {

/// "Not Found" for 404, RFC 9110 section 15; for codes it does not name "Status".
std::string_view status_text(int status);

}  // namespace caldera::server

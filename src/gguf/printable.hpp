// Names read from a file, made fit for an error line.
#pragma once

#include <string>
#include <string_view>

namespace caldera::gguf {

/// `text` in single quotes with everything but printable ASCII escaped (\n as \x0a), cut after 80 characters.
std::string quote(std::string_view text);

}  // namespace caldera::gguf

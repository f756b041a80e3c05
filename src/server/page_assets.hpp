// The files of the page (web/), as they were compiled in: nothing that is served is read from the file
// system.
#pragma once

#include <span>
#include <string_view>

namespace caldera::server {

struct PageAsset {
  std::string_view path;          ///< "/", "/app.js"
  std::string_view content_type;  ///< "text/html; charset=utf-8"
  std::string_view body;
  std::string_view etag;  ///< of the body, with its quotes
};

std::span<const PageAsset> page_assets();

}  // namespace caldera::server

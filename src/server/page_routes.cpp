#include "server/page_routes.hpp"

#include "server/page_assets.hpp"

namespace caldera::server {
namespace {

// Answers of models are shown on the page: nothing runs there, loads or is sent to but what this server
// serves, and no other page may frame it.
constexpr const char* kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Whether the browser has the asset already. https://www.rfc-editor.org/rfc/rfc9110#name-if-none-match: a
/// list of tags, weak ones among them where a proxy compresses, or "*".
bool has(const Request& request, std::string_view etag) {
  const std::string* tags = request.header("if-none-match");
  return tags != nullptr && (*tags == "*" || tags->find(etag) != std::string::npos);
}

Handler page_handler(const PageAsset& asset) {
  return [asset](const Request& request, const std::shared_ptr<Responder>& responder) {
    // Asked for every time, sent when it is another: files of two versions never meet on one page.
    const Headers headers = {{"Content-Security-Policy", kPolicy},
                             {"Cache-Control", "no-cache"},
                             {"ETag", std::string(asset.etag)},
                             {"Referrer-Policy", "no-referrer"}};
    if (has(request, asset.etag)) return responder->send(304, {}, headers, asset.content_type);
    responder->send(200, std::string(asset.body), headers, asset.content_type);
  };
}

}  // namespace

Routes page_routes() {
  Routes routes;
  for (const PageAsset& asset : page_assets()) {
    routes.push_back({"GET", std::string(asset.path), page_handler(asset)});
  }
  return routes;
}

}  // namespace caldera::server

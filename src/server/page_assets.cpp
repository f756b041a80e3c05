#include "server/page_assets.hpp"

namespace caldera::server {
namespace {

template <size_t kSize>
std::string_view text(const unsigned char (&bytes)[kSize]) {
  return {reinterpret_cast<const char*>(bytes), kSize};
}

#include "page_files.inc"  // made by the build from web/

}  // namespace

std::span<const PageAsset> page_assets() {
  return kAssets;
}

}  // namespace caldera::server

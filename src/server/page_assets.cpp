#include "server/page_assets.hpp"

#include <array>

namespace caldera::server {

std::span<const PageAsset> page_assets() {
  static constexpr std::array kAssets = {
      PageAsset{"/", "text/html; charset=utf-8",
                "<!doctype html><title>Caldera</title><p>Caldera answers at <code>/v1</code>.</p>\n"},
  };
  return kAssets;
}

}  // namespace caldera::server

#include "server/handler.hpp"

#include "server/url.hpp"

namespace caldera::server {

const std::string* Request::header(std::string_view name) const {
  for (const Header& each : headers) {
    if (same_header(each.name, name)) return &each.value;
  }
  return nullptr;
}

std::string Request::query_value(std::string_view name) const {
  std::string_view rest = query;
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    const size_t equals = pair.find('=');
    if (percent_decode(pair.substr(0, equals)) != name) continue;
    return equals == std::string_view::npos ? std::string()
                                            : percent_decode(pair.substr(equals + 1)).value_or("");
  }
  return {};
}

}  // namespace caldera::server

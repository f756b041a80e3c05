#include "server/server_options.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <cstring>

#include "caldera/error.hpp"

namespace caldera::server {
namespace {

bool is_ipv4(const std::string& address, in_addr& parsed) {
  return inet_pton(AF_INET, address.c_str(), &parsed) == 1;
}

bool is_ipv6(const std::string& address, in6_addr& parsed) {
  return inet_pton(AF_INET6, address.c_str(), &parsed) == 1;
}

}  // namespace

bool is_loopback(const std::string& address) {
  if (address == "localhost") return true;
  in_addr four;
  if (is_ipv4(address, four)) return ntohl(four.s_addr) >> 24 == 127;
  in6_addr six;
  return is_ipv6(address, six) && std::memcmp(&six, &in6addr_loopback, sizeof six) == 0;
}

void check(const ServerOptions& options) {
  in_addr four;
  in6_addr six;
  if (options.address != "localhost" && !is_ipv4(options.address, four) && !is_ipv6(options.address, six)) {
    throw Error(ErrorKind::kUsage, fmt::format("--host: '{}' is no address: give one of this machine such as "
                                               "127.0.0.1, 192.168.1.5, ::1, or 0.0.0.0 for all of them",
                                               options.address));
  }
  if (options.keys.empty() && !options.open_without_key && !is_loopback(options.address)) {
    throw Error(ErrorKind::kUsage, fmt::format("on {} others could use the model: give --api-key-file, or "
                                               "--no-api-key-on-open-network if everybody who reaches it may",
                                               options.address));
  }
}

}  // namespace caldera::server

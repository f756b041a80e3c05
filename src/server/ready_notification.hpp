// Tells the service manager how far the server is: the protocol of sd_notify(3), which is a datagram.
#pragma once

#include <string_view>

namespace caldera::server {

/// Sends `state` ("READY=1", "STOPPING=1", "STATUS=loading...") to the socket that $NOTIFY_SOCKET names; does
/// nothing where there is none. False where it could not be sent.
bool notify_manager(std::string_view state) noexcept;

}  // namespace caldera::server

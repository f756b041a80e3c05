// hub_server.py as a process of its own.
#pragma once

#include <filesystem>
#include <string>

namespace caldera::hub {

class HubServer {
 public:
  /// Serves the files below `root`, OWNER/REPO/FILE.
  explicit HubServer(const std::filesystem::path& root);
  ~HubServer();
  HubServer(const HubServer&) = delete;
  HubServer& operator=(const HubServer&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

 private:
  int pid_ = -1;
  int input_ = -1;
  int port_ = 0;
};

}  // namespace caldera::hub

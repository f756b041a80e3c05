#include "hub/hub_server.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <stdexcept>

namespace caldera::hub {

HubServer::HubServer(const std::filesystem::path& root) {
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  if (pipe2(in.data(), O_CLOEXEC) != 0 || pipe2(out.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  std::string python = "python3";
  std::string script = CALDERA_HUB_SERVER;
  std::string folder = root.string();
  char* arguments[] = {python.data(), script.data(), folder.data(), nullptr};
  const int error = posix_spawnp(&pid_, python.c_str(), &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  input_ = in[1];
  if (error != 0) throw std::runtime_error("python3 cannot be started");
  FILE* output = fdopen(out[0], "r");
  if (std::fscanf(output, "%d", &port_) != 1) throw std::runtime_error("hub_server.py did not start");
  std::fclose(output);
}

HubServer::~HubServer() {
  close(input_);
  waitpid(pid_, nullptr, 0);
}

}  // namespace caldera::hub

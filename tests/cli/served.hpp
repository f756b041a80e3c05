// `caldera serve` as a process of its own.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>

#include <map>
#include <string>
#include <vector>

#include "cli/process.hpp"
#include "server/http_client.hpp"

namespace caldera::test {

/// A running `caldera serve`, at a terminal.
class Served {
 public:
  explicit Served(std::vector<std::string> arguments,
                  const std::map<std::string, std::string>& environment = {})
      : terminal_(CALDERA_PROGRAM, with_command(std::move(arguments)), environment) {
    const std::string text = "listening on http://127.0.0.1:";
    EXPECT_TRUE(terminal_.expect(text)) << terminal_.transcript();
    EXPECT_TRUE(terminal_.expect("\n"));
    const std::string all = terminal_.transcript();
    port_ = static_cast<uint16_t>(std::stoi(all.substr(all.find(text) + text.size())));
  }

  HttpAnswer ask(const std::string& request) { return HttpClient(port_).ask(request); }
  int stop(int signal) {
    kill(terminal_.pid(), signal);
    return terminal_.wait();
  }
  uint16_t port() const { return port_; }
  Terminal& terminal() { return terminal_; }

 private:
  static std::vector<std::string> with_command(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "serve");
    return arguments;
  }

  Terminal terminal_;
  uint16_t port_ = 0;
};

}  // namespace caldera::test

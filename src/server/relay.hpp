// One thread that does small pieces of work in order: what the services' threads must not be kept with.
#pragma once

#include <functional>
#include <memory>
#include <thread>

namespace caldera::server {

class Relay {
 public:
  Relay();
  /// What was posted before is done first; but the relay's own thread may let go of it, and is then the last.
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  /// Safe from any thread. `task` must not throw.
  void post(std::function<void()> task);

 private:
  struct State;
  std::shared_ptr<State> state_;
  std::thread thread_;
};

}  // namespace caldera::server

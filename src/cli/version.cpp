// caldera version
#include "cli/command.hpp"
#include "cli/output.hpp"

namespace caldera::cli {

void declare_version(CLI::App& app, Action& action) {
  app.callback([&action] {
    action = [] {
      write_out("caldera " CALDERA_VERSION "\n");
      return 0;
    };
  });
}

}  // namespace caldera::cli

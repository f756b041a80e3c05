// caldera help [TOPIC]
#include <algorithm>

#include "caldera/error.hpp"
#include "cli/command.hpp"
#include "cli/exit_codes.hpp"
#include "cli/output.hpp"

namespace caldera::cli {
namespace {

std::string exit_code_table() {
  std::string out = "Exit codes:\n";
  for (const ExitCode& row : exit_codes()) {
    out += fmt::format("  {:>3}  {:<12} {}\n", row.code, row.name, row.meaning);
  }
  return out;
}

}  // namespace

void declare_help(CLI::App& app, Action& action) {
  const auto topic = std::make_shared<std::string>();
  app.add_option("TOPIC", *topic, "A command, or 'exit-codes'");
  app.callback([topic, &app, &action] {
    action = [topic, &app] {
      if (*topic == "exit-codes") {
        write_out(exit_code_table());
        return 0;
      }
      CLI::App* program = app.get_parent();
      const CLI::App* about = program;
      if (!topic->empty()) {
        const bool known =
            std::ranges::any_of(commands(), [&](const Command& row) { return *topic == row.name; });
        if (!known)
          throw Error(ErrorKind::kUsage, fmt::format("no help on '{}'; see caldera --help", escape(*topic)));
        about = program->get_subcommand(*topic);
      }
      // Asked of the program itself, help() would show the command that was given: this one.
      write_out(about == program
                    ? program->get_formatter()->make_help(program, "caldera", CLI::AppFormatMode::Normal)
                    : about->help("caldera"));
      return 0;
    };
  });
}

}  // namespace caldera::cli

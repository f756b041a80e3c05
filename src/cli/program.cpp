#include "cli/program.hpp"

#include <fcntl.h>
#include <langinfo.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cstring>
#include <nlohmann/json.hpp>

#include "caldera/error.hpp"
#include "cli/command.hpp"
#include "cli/exit_codes.hpp"
#include "cli/interrupt.hpp"
#include "cli/output.hpp"

namespace caldera::cli {
namespace {

/// Where one of the three streams is closed, /dev/null takes its place: a model file or a pipe of our own
/// that got its number would be read as the prompt or written to as the answer.
void open_standard_streams() {
  int descriptor = 0;
  while (descriptor >= 0 && descriptor <= STDERR_FILENO) descriptor = open("/dev/null", O_RDWR);
  if (descriptor >= 0) close(descriptor);
}

int parse_and_run(int argc, char** argv) {
  CLI::App app("Caldera runs large language models through Vulkan.", "caldera");
  app.set_version_flag("--version", std::string("caldera " CALDERA_VERSION));
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.footer(
      "'caldera COMMAND --help' explains a command, 'caldera help exit-codes' what the program returns.");
  app.option_defaults()->take_last();  // an option given twice: as in other programs, the later one counts
  Action action;
  for (const Command& command : commands()) {
    command.declare(*app.add_subcommand(command.name, command.summary), action);
  }
  app.require_subcommand(0, 1);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    write_out(app.help());
    return 0;
  } catch (const CLI::CallForVersion& version) {
    write_out(std::string(version.what()) + "\n");
    return 0;
  } catch (const CLI::ParseError& error) {
    const auto given = app.get_subcommands();
    throw Error(ErrorKind::kUsage, fmt::format("{}; see caldera{} --help", error.what(),
                                               given.empty() ? "" : " " + given.front()->get_name()));
  }
  if (!action) throw Error(ErrorKind::kUsage, "no command given; see caldera --help");
  return action();
}

/// The one line of a failure: on standard error, or with --json as an object on standard output.
int report(bool json, const char* kind, std::string message, int code) {
  message = one_line(message);
  if (json) {
    try {
      write_json({{"error", {{"kind", kind}, {"message", message}, {"exit_code", code}}}});
      return code;
    } catch (const OutputClosed&) {
      return code;
    } catch (...) {  // a full disk, say: standard error is left to tell of it
    }
  }
  say("caldera: {}", message);
  return code;
}

}  // namespace

int run_program(int argc, char** argv) {
  // Asked of the words themselves: the command line may be what is wrong.
  const bool json =
      std::any_of(argv, argv + argc, [](const char* word) { return std::strcmp(word, "--json") == 0; });
  try {
    open_standard_streams();
    interrupt::install();
    // Line editing needs to know how wide characters are; Caldera's text is UTF-8 whatever the locale says.
    if (std::setlocale(LC_CTYPE, "") == nullptr || std::strcmp(nl_langinfo(CODESET), "UTF-8") != 0) {
      std::setlocale(LC_CTYPE, "C.UTF-8");
    }
    return parse_and_run(argc, argv);
  } catch (const OutputClosed&) {
    return 0;
  } catch (const Interrupted&) {
    return report(json, "interrupted", "interrupted", kInterruptedCode);
  } catch (const Error& error) {
    return report(json, kind_name(error.kind()), error.what(), error.exit_code());
  } catch (const std::bad_alloc&) {
    return report(json, "internal", "out of host memory", 1);
  } catch (const std::exception& error) {
    return report(json, "internal", fmt::format("internal error: {}", error.what()), 1);
  }
}

}  // namespace caldera::cli

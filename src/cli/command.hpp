// What a command of the program is: a row of the table in commands.cpp and one file.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <span>

namespace caldera::cli {

/// What the parsed command line asks for; returns the exit code.
using Action = std::function<int()>;

struct Command {
  const char* name;
  const char* summary;
  /// Declares the command's arguments on `app` and sets `action` when the command is the one given.
  void (*declare)(CLI::App& app, Action& action);
};

/// All commands, in the order of the help page.
std::span<const Command> commands();

void declare_run(CLI::App& app, Action& action);
void declare_bench(CLI::App& app, Action& action);
void declare_tune(CLI::App& app, Action& action);
void declare_devices(CLI::App& app, Action& action);
void declare_doctor(CLI::App& app, Action& action);
void declare_inspect(CLI::App& app, Action& action);
void declare_list(CLI::App& app, Action& action);
void declare_plan(CLI::App& app, Action& action);
void declare_pull(CLI::App& app, Action& action);
void declare_rm(CLI::App& app, Action& action);
void declare_serve(CLI::App& app, Action& action);
void declare_tokenize(CLI::App& app, Action& action);
void declare_version(CLI::App& app, Action& action);
void declare_help(CLI::App& app, Action& action);

}  // namespace caldera::cli

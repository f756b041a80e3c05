// caldera rm NAME
#include <unistd.h>

#include <memory>
#include <string>

#include "caldera/error.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "hub/model_folder.hpp"

namespace caldera::cli {
namespace {

struct RemoveRequest {
  std::string name;
  bool yes = false;
};

/// Whether the user says yes. Errors: kUsage, where nobody can be asked.
bool agreed(const std::string& question) {
  if (isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1) {
    throw Error(ErrorKind::kUsage, "rm asks before it removes, and there is no terminal: give it --yes");
  }
  write_error(question + " [y/N] ");
  std::string answer;
  char c = 0;
  while (true) {
    const ssize_t got = read(STDIN_FILENO, &c, 1);
    if (got < 0) throw Interrupted();  // Ctrl-C
    if (got == 0 || c == '\n') break;
    if (answer.size() < 8) answer += c;
  }
  return answer == "y" || answer == "Y" || answer == "yes";
}

int remove(const RemoveRequest& request) {
  const hub::ModelFolder folder(hub::default_model_folder());
  const auto model = folder.find(request.name);
  if (!model) {
    throw Error(ErrorKind::kFile,
                fmt::format("{}: there is no such model in {}; caldera list shows what there is",
                            escape(request.name), escape(folder.path().string())));
  }
  const std::string what = fmt::format("{} ({}, {} {})", escape(model->name), human_bytes(model->there),
                                       model->files.size(), model->files.size() == 1 ? "file" : "files");
  if (!request.yes && !agreed("remove " + what + "?")) {
    say("nothing was removed");
    return 0;
  }
  folder.remove(*model);
  say("removed {}", what);
  return 0;
}

}  // namespace

void declare_rm(CLI::App& app, Action& action) {
  const auto request = std::make_shared<RemoveRequest>();
  app.add_option("NAME", request->name, "The model, as caldera list calls it")->required();
  app.add_flag("-y,--yes", request->yes, "Do not ask");
  app.callback([request, &action] { action = [request] { return remove(*request); }; });
}

}  // namespace caldera::cli

#include <array>

#include "cli/command.hpp"

namespace caldera::cli {

std::span<const Command> commands() {
  static constexpr std::array kCommands = {
      Command{"run", "Answer a prompt, or talk when none is given", declare_run},
      Command{"serve", "Answer the clients of OpenAI's and Anthropic's APIs over HTTP", declare_serve},
      Command{"pull", "Fetch a model from Hugging Face, or a hub like it", declare_pull},
      Command{"list", "List the models that were pulled", declare_list},
      Command{"rm", "Remove a model that was pulled", declare_rm},
      Command{"bench", "Measure how fast a model reads and decodes, beside what memory allows",
              declare_bench},
      Command{"tune", "Find out how a model decodes fastest on a GPU, or forget it", declare_tune},
      Command{"devices", "List the Vulkan devices and what they can do", declare_devices},
      Command{"doctor", "Say how much memory models can have here, and what would give them more",
              declare_doctor},
      Command{"plan", "Say whether a model fits a machine, where it would lie and how fast it would run",
              declare_plan},
      Command{"inspect", "Show what a GGUF file holds", declare_inspect},
      Command{"tokenize", "Show text as a model's tokens, or tokens as text", declare_tokenize},
      Command{"version", "Print the version", declare_version},
      Command{"help", "Explain a command, or 'exit-codes'", declare_help},
  };
  return kCommands;
}

}  // namespace caldera::cli

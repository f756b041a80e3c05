// caldera run MODEL [PROMPT]
#include <nlohmann/json.hpp>

#include "cli/command.hpp"
#include "cli/context_options.hpp"
#include "cli/exit_codes.hpp"
#include "cli/interrupt.hpp"
#include "cli/load_options.hpp"
#include "cli/memory_json.hpp"
#include "cli/model_argument.hpp"
#include "cli/output.hpp"
#include "cli/prompt.hpp"
#include "cli/run_options.hpp"
#include "cli/settings.hpp"

namespace caldera::cli {
namespace {

const char* reason_name(StopReason reason) {
  switch (reason) {
    case StopReason::kEnd:
      return "end";
    case StopReason::kStopString:
      return "stop";
    case StopReason::kMaxTokens:
      return "max_tokens";
    case StopReason::kContextFull:
      return "context_full";
    case StopReason::kCancelled:
      return "cancelled";
    case StopReason::kOutOfMemory:
      return "out_of_memory";
    case StopReason::kDeviceLost:
      return "device_lost";
  }
  return "unknown";
}

/// What ended the answer, where it was an error.
std::optional<ErrorKind> failure_of(const Generation& generation) {
  if (generation.reason == StopReason::kOutOfMemory) return ErrorKind::kMemory;
  if (generation.reason == StopReason::kDeviceLost) return ErrorKind::kDevice;
  return std::nullopt;
}

nlohmann::ordered_json result_json(const Model& model, const Generation& generation) {
  const ModelInfo& info = model.info();
  const DeviceInfo& device = model.device();
  const LoadReport& load = model.load_report();
  return {
      {"text", generation.text},
      {"tokens", generation.tokens},
      {"reason", reason_name(generation.reason)},
      {"seed", generation.seed},
      {"timings",
       {{"prompt_tokens", generation.prompt_tokens},
        {"reused_tokens", generation.reused_tokens},
        {"dropped_tokens", generation.dropped_tokens},
        {"prompt_seconds", generation.prompt_seconds},
        {"prompt_tokens_per_second", generation.prompt_rate()},
        {"decode_tokens", generation.tokens.size()},
        {"decode_seconds", generation.decode_seconds},
        {"decode_tokens_per_second", generation.decode_rate()}}},
      {"model",
       {{"name", info.name},
        {"architecture", info.architecture},
        {"format", info.format},
        {"parameters", info.parameters},
        {"file_bytes", info.file_bytes},
        {"context", model.context()}}},
      {"device", {{"name", device.name}, {"type", device.type}, {"driver", device.driver}}},
      {"memory", to_json(model.memory())},
      {"load",
       {{"way", load.way == LoadWay::kImport ? "import" : "copy"},
        {"reason", load.reason},
        {"reader", load.reader},
        {"bytes", load.bytes},
        {"seconds", load.seconds}}},
  };
}

std::vector<Token> prompt_tokens(const Model& model, const RunOptions& options, const std::string& prompt) {
  if (options.raw) return model.tokenize(prompt, true, true);
  std::vector<Message> messages;
  if (options.system) messages.push_back({"system", *options.system});
  messages.push_back({"user", prompt});
  return conversation_tokens(model, messages);
}

int answer_once(const RunOptions& options, const std::string& prompt) {
  const std::shared_ptr<Model> model = load_model(options);
  Session session(model);
  const std::vector<Token> tokens = prompt_tokens(*model, options, prompt);
  if (tokens.size() >= model->context())
    throw Error(ErrorKind::kContext, too_long(tokens.size(), *model, options.model, options.load));
  session.append(tokens);
  GenerateOptions generate = options.generate;
  generate.constraint = model->constrain(options.format);
  std::optional<AnswerMeter> meter;
  if (options.stats) meter.emplace(model->device(), options.machine);
  const Generation generation = stream_answer(session, generate, options.quiet, options.json);
  std::optional<MachineUse> use;
  if (meter) use = meter->finish();
  const std::optional<ErrorKind> failure = failure_of(generation);
  if (options.json) {
    nlohmann::ordered_json result = result_json(*model, generation);
    if (use) result["machine"] = use_json(*use, generation.tokens.size());
    if (failure) {
      result["error"] = {{"kind", failure == ErrorKind::kMemory ? "memory" : "device"},
                         {"message", one_line(generation.error)},
                         {"exit_code", static_cast<int>(*failure)}};
    }
    write_json(result);
  } else if (!generation.text.ends_with('\n')) {
    write_out("\n");
  }
  if (!options.quiet && !options.no_stats) {
    if (generation.reason == StopReason::kContextFull) {
      say("the context of {} tokens is full; a larger --context gives the answer room, --context-end shift "
          "lets it go on",
          model->context());
    }
    say("{}", describe_rates(generation));
    if (use) say("{}", describe_use(*use, generation.tokens.size()));
    if (options.cooling) say("{}", describe_cooling(options.cooling->report()));
    if (options.verbose) say("seed: {}", generation.seed);
  }
  if (failure && options.json) return static_cast<int>(*failure);
  if (failure) throw Error(*failure, generation.error);
  return interrupt::pending() ? kInterruptedCode : 0;
}

int run(RunOptions& options) {
  if (options.raw && options.system) {
    throw Error(ErrorKind::kUsage,
                "--system has no place in a --raw prompt; write it into the prompt itself");
  }
  if (options.system) require_utf8(*options.system, "the system message");
  for (const std::string& stop : options.generate.stop) {
    if (stop.empty())
      throw Error(ErrorKind::kUsage, "--stop must not be empty: it would end every answer at once");
    require_utf8(stop, "the --stop string");
  }
  options.cooling = keep_cool(options.machine, options.load);
  const std::optional<std::string> prompt = gather_prompt(options.prompt, options.file);
  if (prompt) return answer_once(options, *prompt);
  if (options.raw || options.json) {
    throw Error(ErrorKind::kUsage,
                fmt::format("{} needs a prompt: give it as an argument, with -f or by a pipe",
                            options.raw ? "--raw" : "--json"));
  }
  return chat(options);
}

}  // namespace

void declare_run(CLI::App& app, Action& action) {
  const auto options = std::make_shared<RunOptions>();
  add_model_argument(app, options->model)->required();
  app.add_option("PROMPT", options->prompt, "What to answer; absent at a terminal: an interactive chat");
  app.add_option("-f,--file", options->file, "Read the prompt from a file ('-': standard input)");
  app.add_option("--system", options->system, "The system message");
  app.add_flag("--raw", options->raw, "Continue the prompt as it is, without the model's chat template");
  declare_context_options(app, options->load);
  for (const Setting& setting : settings()) {
    app.add_option_function<std::string>(
        setting.flags,
        [options, &setting](const std::string& text) {
          setting.set(options->generate, fmt::format("--{}", setting.name), text);
        },
        setting.help);
  }
  app.add_option("--stop", options->generate.stop, "End the answer at this string; may be repeated")
      ->allow_extra_args(false);
  declare_format_options(app, options->format_options);
  app.add_flag("--ignore-end", options->generate.ignore_end, "Go on past the model's end of turn");
  declare_load_options(app, options->load);
  app.add_flag("--json", options->json, "Print one JSON object at the end instead of the text");
  declare_machine_options(app, options->machine);
  app.add_flag(
      "--stats", options->stats,
      "Print the energy that the answer took and the temperature at its end, where sensors tell them");
  app.add_flag("--no-stats", options->no_stats, "Print no tokens per second at the end");
  app.add_flag("-q,--quiet", options->quiet, "Print nothing but the answer and errors");
  app.add_flag("-v,--verbose", options->verbose, "Print more of the memory and the work per token");
  app.add_flag("--validation", options->load.validation,
               "Switch the Khronos validation layer on (it must be installed)");
  app.callback([options, &action] {
    action = [options] {
      options->format = answer_format(options->format_options);
      return run(*options);
    };
  });
}

}  // namespace caldera::cli

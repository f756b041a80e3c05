// What one-shot runs and chats share: loading, streaming, and the lines about both.
#include <unistd.h>

#include <exception>

#include "cli/interrupt.hpp"
#include "cli/output.hpp"
#include "cli/progress_bar.hpp"
#include "cli/run_options.hpp"

namespace caldera::cli {

std::shared_ptr<Model> load_model(const RunOptions& options) {
  LoadOptions load = options.load;
  std::shared_ptr<Model> model;
  {
    ProgressBar bar("loading", !options.quiet);
    load.progress = [&](const LoadProgress& progress) {
      const double rate =
          bar.seconds() > 0 ? static_cast<double>(progress.bytes_done) / bar.seconds() / 1e9 : 0;
      bar.update(progress.bytes_done, progress.bytes_total,
                 fmt::format("{} of {}, {:.2f} GB/s", human_bytes(progress.bytes_done),
                             human_bytes(progress.bytes_total), rate));
      return !interrupt::pending();
    };
    try {
      model = Model::load(options.model, load);
    } catch (const Error&) {
      if (interrupt::pending()) throw Interrupted();
      throw;
    }
  }
  if (interrupt::pending()) throw Interrupted();
  if (!options.quiet) {
    const DeviceInfo& device = model->device();
    say("device: {} ({}, {})", escape(device.name), device.type, escape(device.driver));
    say("{}", describe_memory(*model));
    if (options.verbose) {
      const MemoryUse memory = model->memory();
      say("memory: activations {}, staging {}, {} in all now", human_bytes(memory.activations),
          human_bytes(memory.staging), human_bytes(memory.total()));
      say("{}", describe_step(*model));
    }
  }
  return model;
}

std::vector<Token> conversation_tokens(const Model& model, std::span<const Message> messages) {
  // A model's own template writes its BOS itself, as Hugging Face's apply_chat_template has it; ChatML does
  // not.
  return model.tokenize(model.apply_chat_template(messages), !model.info().has_chat_template, true);
}

Generation stream_answer(Session& session, GenerateOptions options, bool quiet, bool silent) {
  const bool terminal = isatty(STDOUT_FILENO) == 1;
  std::exception_ptr failure;  // kept, because the engine need not expect its callbacks to throw
  ProgressBar bar("reading the prompt", !quiet, std::chrono::milliseconds(500));
  options.on_prompt = [&](uint32_t done, uint32_t total) {
    bar.update(done, total, fmt::format("{} of {} tokens", done, total));
    return !interrupt::pending();
  };
  options.on_text = [&](std::string_view text) {
    bar.clear();
    try {
      if (!silent) write_out(terminal ? terminal_safe(text) : text);
    } catch (const Interrupted&) {  // while nobody read: the same as Ctrl-C at any other time
      return false;
    } catch (...) {
      failure = std::current_exception();
    }
    return !failure && !interrupt::pending();
  };
  Generation generation = session.generate(options);
  if (failure) std::rethrow_exception(failure);
  return generation;
}

std::string describe_rates(const Generation& generation) {
  std::string reused;
  if (generation.reused_tokens > 0) reused = fmt::format(" and {} kept", generation.reused_tokens);
  return fmt::format("prompt: {} tokens{}, {:.1f} tokens/s; decode: {} tokens, {:.1f} tokens/s",
                     generation.prompt_tokens, reused, generation.prompt_rate(), generation.tokens.size(),
                     generation.decode_rate());
}

std::string describe_memory(const Model& model) {
  const MemoryUse memory = model.memory();
  return fmt::format("memory: weights {}, KV up to {} for {} tokens", human_bytes(memory.weights),
                     human_bytes(memory.kv_limit), model.context());
}

std::string describe_step(const Model& model) {
  const StepShape shape = model.decode_shape();
  return fmt::format("decode: {} dispatches and {} barriers per token", shape.dispatches, shape.barriers);
}

}  // namespace caldera::cli

// What one-shot runs and chats share: loading, streaming, and the lines about both.
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <optional>

#include "cli/context_options.hpp"
#include "cli/device_loss.hpp"
#include "cli/interrupt.hpp"
#include "cli/output.hpp"
#include "cli/progress_bar.hpp"
#include "cli/reading_estimate.hpp"
#include "cli/run_options.hpp"
#include "hub/model_folder.hpp"

namespace caldera::cli {
namespace {

/// "heap 0 (device, 66.67 GiB): weights 60.1 GiB, KV 1.2 GiB, activations 9.6 MiB; 62.0 GiB taken in 61
/// chunks"
std::string describe_heap(const DeviceInfo& device, const HeapUse& heap) {
  std::string held;
  const auto add = [&](const char* what, uint64_t bytes) {
    if (bytes > 0) held += fmt::format("{}{} {}", held.empty() ? "" : ", ", what, human_bytes(bytes));
  };
  add("weights", heap.weights);
  add("KV", heap.kv);
  add("activations", heap.activations);
  add("staging", heap.staging);
  const HeapInfo& info = device.heaps.at(heap.heap);
  return fmt::format("heap {} ({}, {}): {}; {} taken in {} chunks", heap.heap,
                     info.device_local ? "device" : "host", human_bytes(info.bytes), held,
                     human_bytes(heap.reserved), heap.chunks);
}

}  // namespace

std::shared_ptr<Model> load_model(const RunOptions& options) {
  LoadOptions load = options.load;
  load.on_device_lost = device_loss_reporter(options.quiet);
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
      model = Model::load(hub::find_model(options.model), load);
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
    if (load.keep_kv) {
      say("memory: pages of keys and values are copied to host memory when they are full, up to {} of it",
          human_bytes(model->memory().kv_limit));
    }
    const std::string warning = context_warning(model->info(), model->context());
    if (!warning.empty()) say("{}", warning);
    if (options.verbose) {
      const MemoryUse memory = model->memory();
      say("memory: activations {}, staging {}, {} in all now", human_bytes(memory.activations),
          human_bytes(memory.staging), human_bytes(memory.total()));
      for (const HeapUse& heap : memory.heaps) say("{}", describe_heap(device, heap));
      const LoadReport& report = model->load_report();
      say("load: {} in {:.1f} s, {:.2f} GB/s by {} ({}), because {}", human_bytes(report.bytes),
          report.seconds, report.seconds > 0 ? static_cast<double>(report.bytes) / report.seconds / 1e9 : 0,
          report.way == LoadWay::kImport ? "import" : "copy", report.reader, report.reason);
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
  const size_t tokens = session.tokens().size();
  uint32_t last = UINT32_MAX;  // that was read of the prompt; after a lost device it begins again
  std::optional<ProgressBar> bar;
  std::optional<ReadingEstimate> estimate;
  options.on_prompt = [&](uint32_t done, uint32_t total) {
    if (done < last) {
      bar.emplace("reading", !quiet, std::chrono::milliseconds(500));
      estimate.emplace(tokens - std::min<size_t>(tokens, total), total);
    }
    last = done;
    estimate->add(done, bar->seconds());
    bar->update(done, total, describe_reading(done, total, bar->seconds(), estimate->seconds_left()));
    return !interrupt::pending();
  };
  options.on_text = [&](std::string_view text) {
    bar.reset();
    last = UINT32_MAX;
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
  std::string dropped;
  if (generation.dropped_tokens > 0)
    dropped = fmt::format("; {} tokens forgotten", generation.dropped_tokens);
  return fmt::format("prompt: {} tokens{}, {:.1f} tokens/s; decode: {} tokens, {:.1f} tokens/s{}",
                     generation.prompt_tokens, reused, generation.prompt_rate(), generation.tokens.size(),
                     generation.decode_rate(), dropped);
}

std::string describe_memory(const Model& model) {
  const MemoryUse memory = model.memory();
  std::string text = fmt::format("memory: weights {}, KV up to {} for {} tokens", human_bytes(memory.weights),
                                 human_bytes(memory.kv_limit), model.context());
  if (memory.far_weights > 0) {
    const double bytes = static_cast<double>(memory.far_weights);
    text += fmt::format(
        "\nmemory: {} of the weights lie in host memory, across the bus{}: a smaller model or format "
        "would be faster",
        human_bytes(memory.far_weights),
        memory.far_bandwidth ? fmt::format(", which costs {:.0f} ms a token at {:.1f} GB/s",
                                           bytes / *memory.far_bandwidth / 1e6, *memory.far_bandwidth)
                             : "");
  }
  return text;
}

std::string describe_step(const Model& model) {
  const StepShape shape = model.decode_shape();
  return fmt::format("decode: {} dispatches and {} barriers per token", shape.dispatches, shape.barriers);
}

}  // namespace caldera::cli

#include "engine/engine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "caldera/error.hpp"
#include "engine/bandwidth.hpp"
#include "engine/cache_folder.hpp"
#include "kernels/state.hpp"
#include "kernels/tuner.hpp"
#include "model/plan_shape.hpp"
#include "model/transfer.hpp"
#include "plan/footprint.hpp"
#include "plan/limits.hpp"
#include "vulkan/physical_device.hpp"

namespace caldera::engine {
namespace {

using vulkan::Purpose;
using vulkan::Residency;

const LoadOptions& checked(const LoadOptions& options) {
  if (options.sequences < 1 || options.sequences > kMaxSequences) {
    throw Error(ErrorKind::kUsage, fmt::format("{} sequences were asked for: 1 to {} are possible",
                                               options.sequences, kMaxSequences));
  }
  if (options.context > model::kMaxContext) {
    throw Error(ErrorKind::kUsage, fmt::format("a context of {} tokens was asked for: up to {} are possible",
                                               options.context, model::kMaxContext));
  }
  if (options.prefill_rows > 4096) {
    throw Error(ErrorKind::kUsage,
                fmt::format("prefill batches of {} tokens were asked for: up to 4096 are possible",
                            options.prefill_rows));
  }
  if (options.ring_bytes > model::kMaxRing) {
    throw Error(ErrorKind::kUsage, fmt::format("a ring of {} bytes was asked for: up to {} are possible",
                                               options.ring_bytes, model::kMaxRing));
  }
  return options;
}

}  // namespace

model::ContextRoom context_room(const model::ModelSpec& spec, const LoadOptions& options,
                                const vulkan::PhysicalDevice& device) {
  // Who asks for no context gets the model's own, as far as memory goes: room for a usual conversation is
  // kept.
  const plan::ModelShape shape = model::plan_shape(spec);
  const plan::Topology topology = vulkan::topology_of(device);
  const auto need = [&](uint32_t context) {
    const plan::Use use{
        .context = context, .sequences = options.sequences, .prefill_rows = options.prefill_rows};
    return plan::footprint(shape, use, topology.type);
  };
  const plan::Footprint whole = need(options.context > 0 ? options.context : spec.context);
  if (options.context > 0) return {whole.activations + whole.kv, whole.activations + whole.kv};
  const uint64_t page = options.sequences * model::page_bytes(spec);
  return {whole.activations + page, whole.activations + std::min(whole.kv, need(plan::kUsualContext).kv)};
}

Engine::Engine(const gguf::File& file, model::ModelSpec spec, const LoadOptions& options)
    : Engine(spec, options, [&](vulkan::Device& device) {
        const model::ContextRoom room = context_room(spec, options, device.physical());
        return model::load_weights(file, spec, device,
                                   [&](uint64_t done, uint64_t total) {
                                     return !options.progress || options.progress({done, total});
                                   },
                                   {options.way, options.ring_bytes, room.least, room.wished});
      }) {}

Engine::Engine(model::ModelSpec spec, const LoadOptions& options, const MakeWeights& make_weights)
    : spec_(std::move(spec)),
      instance_(checked(options).validation),
      device_(instance_, instance_.choose(options.device), {.memory_limit = options.memory_limit}),
      pipelines_(device_, cache_folder()),
      kernels_(device_, pipelines_),
      weights_(make_weights(device_)),
      pages_(device_, model::page_bytes(spec_)) {
  report_ = weights_.report;
  tuning_ = options.tuning;
  if (device_.memory().used_far(Purpose::kWeights) > 0) {
    try {
      far_read_ = read_bandwidth(device_, pipelines_, plan::Reach::kFar);
    } catch (const Error&) {  // the model works all the same; what the bus costs is then not known
    }
  }
  context_ = options.context > 0 ? options.context : spec_.context;
  const bool software = device_.physical().type == VK_PHYSICAL_DEVICE_TYPE_CPU;
  read_tokens_ = plan::read_tokens(software, context_, options.prefill_rows);

  const auto shared = [&](uint64_t bytes, const char* what) {
    vulkan::Allocation memory =
        device_.memory().allocate(bytes, Residency::kHostWrite, Purpose::kActivations, what);
    std::memset(memory.host(), 0, bytes);
    return memory;
  };
  read_batch_ = shared(kernels::batch_bytes(read_tokens_), "a batch");
  decode_batch_ = shared(kernels::batch_bytes(kMaxSequences), "the decode batch");
  page_tables_ = shared(options.sequences * sizeof(uint64_t), "page tables");
  slot_addresses_ = shared(options.sequences * sizeof(uint64_t), "slots");
  for (uint32_t i = 0; i < options.sequences; ++i) {
    slots_.push_back(std::make_unique<Slot>(device_, pages_, spec_.vocabulary, context_));
    const uint64_t table = slots_[i]->page_table();
    const uint64_t addresses = slots_[i]->addresses();
    std::memcpy(page_tables_.host() + i * sizeof(table), &table, sizeof(table));
    std::memcpy(slot_addresses_.host() + i * sizeof(addresses), &addresses, sizeof(addresses));
  }

  const plan::BatchLimits limits = plan::batch_limits(read_tokens_, context_);
  const bool int8 = options.arithmetic == Arithmetic::kInt8 ||
                    (options.arithmetic == Arithmetic::kAuto && kernels_.prefers_int8());
  const model::ProgramInputs inputs{page_tables_.address(), slot_addresses_.address(),
                                    decode_batch_.address(), int8};
  program_ = std::make_unique<model::Program>(spec_, weights_, limits, inputs, device_);
  const model::LayerSpec& layer = spec_.layers[0];
  const kernels::AttentionShape attention{
      .heads = layer.heads, .kv_heads = layer.kv_heads, .head = layer.head};
  attention_groups_ = int8 ? kernels_.decode_attention_groups(attention) : layer.kv_heads;
  recordings_ = std::make_unique<Recordings>(device_, kernels_, *program_);
  tune_once(1);
}

Engine::~Engine() {
  // A lost device cannot be waited for, and there is nobody left to tell.
  try {
    device_.wait_all();
  } catch (const Error&) {
  }
  pipelines_.save();
}

MemoryUse Engine::memory() {
  const vulkan::MemoryPool& pool = device_.memory();
  MemoryUse use;
  use.weights = pool.used(Purpose::kWeights);
  use.kv = pool.used(Purpose::kKv);
  use.kv_limit = slots_.size() * pages_.page_bytes() *
                 ((uint64_t{context_} + kernels::kPageTokens - 1) / kernels::kPageTokens);
  use.activations = pool.used(Purpose::kActivations);
  use.staging = pool.used(Purpose::kStaging);
  use.imported = pool.imported();
  use.far_weights = pool.used_far(Purpose::kWeights);
  use.far_bandwidth = far_read_;
  use.heaps = pool.heaps();
  return use;
}

StepShape Engine::decode_shape() {
  const vulkan::RecordingShape& shape = recordings_->step(decode_batch_.address(), 1, 1).shape();
  return {shape.dispatches, shape.barriers};
}

std::filesystem::path Engine::tuning_file() const {
  return kernels::product_memory_file(pipelines_);
}

std::vector<kernels::TunedProduct> Engine::tune(uint32_t sequences, const kernels::TuneOptions& options) {
  std::vector<kernels::Product> products;
  const model::Pass& pass = program_->step();
  for (const std::vector<model::Operation>* part : {&pass.body, &pass.head_of(sequences)}) {
    for (const model::Operation& operation : *part) {
      if (const auto* product = std::get_if<kernels::Product>(&operation)) products.push_back(*product);
    }
  }
  return kernels::tune(device_, kernels_, products, sequences, tuning_file(), options);
}

void Engine::tune_once(uint32_t sequences) {
  const uint32_t vectors = std::bit_ceil(sequences);
  if (!tunable() || tuning_ == Tuning::kOff || !tuned_.insert(vectors).second) return;
  // Of one sequence the two seconds that starting may take; of several, what a conversation can wait.
  const std::chrono::duration<double> budget(vectors == 1 ? 1.8 : 0.8);
  tune(vectors, {.budget = budget, .again = tuning_ == Tuning::kAgain});
}

uint32_t Engine::open_slot() {
  for (uint32_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i]->open) continue;
    slots_[i]->open = true;
    return i;
  }
  throw Error(
      ErrorKind::kUsage,
      fmt::format("all {} sessions of the model are in use: load it with more sequences", slots_.size()));
}

void Engine::close_slot(uint32_t slot) {
  device_.wait_all();
  slots_[slot]->truncate(0);
  slots_[slot]->open = false;
}

void Engine::submit_read(Slot& slot, uint32_t index, uint32_t end) {
  const uint32_t count = end - slot.computed;
  device_.wait_all();  // the batch may still be read
  slot.reserve(end);
  kernels::BatchHead& head = read_head();
  head.tokens = count;
  head.outputs = 0;
  head.running = 1;
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t position = slot.computed + i;
    head.entries()[i] = {static_cast<uint32_t>(slot.tokens[position]), position, index, 0};
  }
  const VkCommandBuffer buffer =
      recordings_->read(read_batch_.address(), std::bit_ceil(count), splits_for(end, 1)).handle();
  device_.submit({&buffer, 1});
  slot.computed = end;
}

bool Engine::read(uint32_t index, bool sample, const ReadCallback& progress) {
  Slot& slot = *slots_[index];
  const auto total = static_cast<uint32_t>(slot.tokens.size());
  if (total == 0) throw Error(ErrorKind::kUsage, "there is nothing to read: the sequence is empty");
  slot.computed = std::min(slot.computed, total - 1);  // the last token is always read, for its logits
  const uint32_t before = slot.computed;
  while (slot.computed < total) {
    if (progress && !progress(slot.computed - before, total - before)) return false;
    submit_read(slot, index, std::min(total, slot.computed + read_tokens_));
  }
  device_.wait_all();
  kernels::BatchHead& head = read_head();
  head.outputs = 1;
  head.output_index[0] = head.tokens - 1;
  const VkCommandBuffer buffer = recordings_->outputs(read_batch_.address(), 1, sample).handle();
  device_.wait(device_.submit({&buffer, 1}));
  return !progress || progress(total - before, total - before);
}

std::vector<float> Engine::download_logits(uint32_t rows) {
  std::vector<float> logits(uint64_t{rows} * spec_.vocabulary);
  device_.download(program_->logits(), 0, std::as_writable_bytes(std::span(logits)));
  return logits;
}

std::vector<float> Engine::logits_from(uint32_t index, uint32_t first) {
  Slot& slot = *slots_[index];
  const auto total = static_cast<uint32_t>(slot.tokens.size());
  std::vector<float> all;
  if (first >= total) return all;
  slot.computed = std::min(slot.computed, first);
  while (slot.computed < total) {
    const uint32_t begin = slot.computed;
    submit_read(slot, index, std::min(total, begin + read_tokens_));
    for (uint32_t at = std::max(begin, first); at < slot.computed; at += plan::kLogitRows) {
      device_.wait_all();
      kernels::BatchHead& head = read_head();
      head.outputs = std::min(plan::kLogitRows, slot.computed - at);
      for (uint32_t i = 0; i < head.outputs; ++i) head.output_index[i] = at + i - begin;
      const uint32_t columns = std::bit_ceil(head.outputs);
      const VkCommandBuffer buffer = recordings_->outputs(read_batch_.address(), columns, false).handle();
      device_.submit({&buffer, 1});
      const std::vector<float> rows = download_logits(head.outputs);
      all.insert(all.end(), rows.begin(), rows.end());
    }
  }
  return all;
}

void Engine::begin_decode(std::span<const uint32_t> slots) {
  device_.wait_all();
  tune_once(static_cast<uint32_t>(slots.size()));
  kernels::BatchHead& head = decode_head();
  head.tokens = static_cast<uint32_t>(slots.size());
  head.outputs = head.tokens;
  head.running = head.tokens;
  for (uint32_t i = 0; i < slots.size(); ++i) {
    // A sequence that never draws (its prompt was cancelled) is computed with the others all the same: at its
    // last token, whose keys and values are not counted as computed yet, never over those that are.
    const std::vector<Token>& tokens = slots_[slots[i]]->tokens;
    head.output_index[i] = i;
    head.entries()[i] = {static_cast<uint32_t>(tokens.back()), static_cast<uint32_t>(tokens.size()) - 1,
                         slots[i], 0};
  }
}

void Engine::leave_decode(uint32_t slot) {
  device_.wait_all();
  if (!slots_[slot]->end()) return;
  kernels::BatchHead& head = decode_head();
  head.running -= 1;
  if (head.running == 0) head.tokens = 0;
}

uint64_t Engine::submit_step(uint32_t longest) {
  const kernels::BatchHead& head = decode_head();
  const uint32_t sequences = head.outputs;
  const VkCommandBuffer buffer =
      recordings_->step(decode_batch_.address(), sequences, splits_for(longest, sequences)).handle();
  return device_.submit({&buffer, 1});
}

uint32_t Engine::splits_for(uint32_t longest, uint32_t sequences) const {
  return kernels_.splits_for(longest, sequences * attention_groups_);
}

uint32_t Engine::steps_ahead() const {
  return device_.physical().type == VK_PHYSICAL_DEVICE_TYPE_CPU ? 2 : 4;
}

}  // namespace caldera::engine

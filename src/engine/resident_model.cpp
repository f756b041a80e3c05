#include "engine/resident_model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstring>

#include "caldera/error.hpp"
#include "engine/bandwidth.hpp"
#include "engine/cache_folder.hpp"
#include "engine/page_shift.hpp"
#include "engine/step_rehearsal.hpp"
#include "kernels/state.hpp"
#include "kernels/tuner.hpp"
#include "model/plan_shape.hpp"
#include "model/rope_table.hpp"
#include "plan/footprint.hpp"
#include "plan/limits.hpp"
#include "vulkan/physical_device.hpp"

namespace caldera::engine {
namespace {

using vulkan::Purpose;
using vulkan::Residency;

vulkan::PhysicalDevice chosen(const vulkan::Instance& instance, const std::string& choice,
                              const std::string& same_as) {
  vulkan::PhysicalDevice device = instance.choose(choice);
  if (!same_as.empty() && device.info.name != same_as) {
    throw Error(ErrorKind::kDevice, fmt::format("{} is not there any more: the driver shows {} in its place",
                                                same_as, device.info.name));
  }
  return device;
}

vulkan::DeviceOptions device_options(const LoadOptions& options) {
  vulkan::DeviceOptions device;
  device.memory_limit = options.memory_limit;
  device.patience = std::chrono::milliseconds(std::llround(options.patience * 1e3));
  return device;
}

/// A step of sequences of which the longest has `keys` tokens with it.
PassTokens step_tokens(uint32_t sequences, uint32_t keys) {
  return {.columns = sequences, .first = std::max(keys, 1U) - 1, .neighbours = false};
}

/// How work is paced on a device of which nothing is known yet: the first submissions are small.
SubmissionPace::Options pace_options(bool software, uint32_t read_tokens, double target) {
  // Slower than any GPU with a Vulkan 1.3 driver, or one core; see operation_work.cpp for the units.
  constexpr double kGpu = 2e10;
  constexpr double kCore = 1e9;
  return {.target = target,
          .units_per_second = software ? kCore : kGpu,
          .most_tokens = read_tokens,
          .most_ahead = software ? 2U : 4U};
}

/// `work`, in which a loss is one while tuning.
template <class Work>
void tuning(const Work& work) {
  try {
    work();
  } catch (const vulkan::DeviceLost& loss) {
    throw LostWhileTuning(loss.what());
  }
}

}  // namespace

model::ContextRoom context_room(const model::ModelSpec& spec, const LoadOptions& options,
                                const vulkan::PhysicalDevice& device) {
  // Who asks for no context gets the model's own, as far as memory goes: room for a usual conversation is
  // kept.
  const plan::ModelShape shape = model::plan_shape(spec);
  const plan::Topology topology = vulkan::topology_of(device);
  const auto need = [&](uint32_t context) {
    const plan::Use use{.context = context,
                        .sequences = options.sequences,
                        .prefill_rows = options.prefill_rows,
                        .kv = options.kv};
    return plan::footprint(shape, use, topology.type, topology.matrix_units);
  };
  const plan::Footprint whole = need(options.context > 0 ? options.context : spec.context);
  if (options.context > 0) return {whole.activations + whole.kv, whole.activations + whole.kv};
  const uint64_t page = options.sequences * model::page_bytes(spec, options.kv);
  return {whole.activations + page, whole.activations + std::min(whole.kv, need(plan::kUsualContext).kv)};
}

ResidentModel::ResidentModel(const model::ModelSpec& spec, const LoadOptions& options,
                             const std::string& same_as, const MakeWeights& make_weights,
                             const model::LoadCallback& progress)
    : spec_(spec),
      instance_(options.validation),
      device_(instance_, chosen(instance_, options.device, same_as), device_options(options)),
      pipelines_(device_, cache_folder()),
      kernels_(device_, pipelines_),
      weights_(make_weights(device_, progress)),
      pages_(device_, model::page_bytes(spec_, options.kv)),
      kv_(options.kv),
      tuning_(options.tuning) {
  if (device_.memory().used_far(Purpose::kWeights) > 0) {
    try {
      far_read_ = read_bandwidth(device_, pipelines_, plan::Reach::kFar);
    } catch (const vulkan::DeviceLost&) {
      throw;
    } catch (const Error&) {  // the model works all the same; what the bus costs is then not known
    }
  }
  context_ = options.context > 0 ? options.context : spec_.context;
  const bool software = device_.physical().type == VK_PHYSICAL_DEVICE_TYPE_CPU;
  if (options.arithmetic == Arithmetic::kF16) kernels_.use_matrix_units(kernels::Kernels::MatrixUse::kAlways);
  if (options.arithmetic == Arithmetic::kF32) kernels_.use_matrix_units(kernels::Kernels::MatrixUse::kNever);
  kernels_.ask_units();
  read_tokens_ = plan::read_tokens(vulkan::topology_of(device_.physical()).type, kernels_.uses_matrix_units(),
                                   context_, options.prefill_rows);

  const auto shared = [&](uint64_t bytes, const char* what) {
    vulkan::Allocation memory =
        device_.memory().allocate(bytes, Residency::kHostWrite, Purpose::kActivations, what);
    std::memset(memory.host(), 0, bytes);
    return memory;
  };
  read_batch_ = shared(kernels::batch_bytes(read_tokens_), "a batch");
  decode_batch_ = shared(kernels::batch_bytes(options.sequences + 1), "the decode batch");
  page_tables_ = shared((options.sequences + 1) * sizeof(uint64_t), "page tables");  // one for rehearsals
  slot_addresses_ = shared(options.sequences * sizeof(uint64_t), "slots");
  for (uint32_t i = 0; i < options.sequences; ++i) {
    slots_.push_back(std::make_unique<SlotMemory>(device_, pages_, spec_.vocabulary, context_));
    const uint64_t table = slots_[i]->page_table();
    const uint64_t addresses = slots_[i]->addresses();
    std::memcpy(page_tables_.host() + i * sizeof(table), &table, sizeof(table));
    std::memcpy(slot_addresses_.host() + i * sizeof(addresses), &addresses, sizeof(addresses));
  }

  const plan::BatchLimits limits = plan::batch_limits(read_tokens_, context_, options.sequences);
  const bool int8 = options.arithmetic == Arithmetic::kInt8 ||
                    (options.arithmetic == Arithmetic::kAuto && kernels_.prefers_int8());
  const model::ProgramInputs inputs{page_tables_.address(),
                                    slot_addresses_.address(),
                                    decode_batch_.address(),
                                    options.kv,
                                    int8,
                                    int8 && read_tokens_ <= plan::kInt8Tokens && kernels_.reads_int8(),
                                    kernels_.uses_matrix_units()};
  program_ = std::make_unique<model::Program>(spec_, weights_, limits, inputs, device_);
  const model::LayerSpec& layer = spec_.layers[0];
  attention_ = {.heads = layer.heads,
                .kv_heads = layer.kv_heads,
                .head = layer.head,
                .k_format = options.kv.keys,
                .v_format = options.kv.values};
  recordings_ = std::make_unique<Recordings>(device_, kernels_, *program_);
  submitter_ = std::make_unique<Submitter>(
      device_, *recordings_, pace_options(software, read_tokens_, options.submit_target), options.rest);
  if (options.keep_kv) {
    copier_ = std::make_unique<PageCopier>(device_, pages_.page_bytes(),
                                           read_tokens_ / kernels::kPageTokens + options.sequences);
  }
  tune_once(1);
}

ResidentModel::~ResidentModel() {
  device_.settle();
  pipelines_.save();
}

MemoryUse ResidentModel::memory() {
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

StepShape ResidentModel::decode_shape() {
  const BatchPass step{BatchPass::Kind::kStep, decode_batch_.address(), 1, 1};
  const auto all = static_cast<uint32_t>(recordings_->work(step.kind, step.columns).operations.size());
  const vulkan::RecordingShape& shape = recordings_->part(step, {0, all}, true).recording.shape();
  return {shape.dispatches, shape.barriers};
}

std::filesystem::path ResidentModel::tuning_file() const {
  return kernels::product_memory_file(pipelines_);
}

std::vector<kernels::TunedProduct> ResidentModel::tune(uint32_t sequences,
                                                       const kernels::TuneOptions& options) {
  std::vector<kernels::Product> products;
  const model::Pass& pass = program_->step(sequences);
  for (const std::vector<model::Operation>* part : {&pass.body, &pass.head_of(sequences)}) {
    for (const model::Operation& operation : *part) {
      if (const auto* product = std::get_if<kernels::Product>(&operation)) products.push_back(*product);
    }
  }
  kernels::TuneOptions with_step = options;
  std::optional<StepRehearsal> step;
  try {
    step.emplace(device_, kernels_, *program_, pages_, page_tables_, static_cast<uint32_t>(slots_.size()),
                 sequences);
    with_step.step = [&](vulkan::Recording& recording, uint64_t bytes) {
      return step->record(recording, bytes);
    };
  } catch (const vulkan::DeviceLost&) {
    throw;
  } catch (const Error&) {  // no memory for it: each product is judged alone
  }
  return kernels::tune(device_, kernels_, products, sequences, tuning_file(), with_step);
}

void ResidentModel::tune_once(uint32_t sequences) {
  const uint32_t vectors = std::bit_ceil(sequences);
  if (steps_as_prompts(sequences)) return tune_prompts(vectors);  // the same products
  if (!tunable() || tuning_ == Tuning::kOff || !tuned_.insert(vectors).second) return;
  // Of one sequence the two seconds that starting may take; of several, what a conversation can wait.
  const std::chrono::duration<double> budget(vectors == 1 ? 1.8 : 0.8);
  tuning([&] { tune(vectors, {.budget = budget, .again = tuning_ == Tuning::kAgain}); });
}

std::vector<kernels::TunedTiles> ResidentModel::tune_batch(uint32_t tokens,
                                                           const kernels::TuneOptions& options) {
  std::vector<kernels::Product> products;
  for (const model::Operation& operation : program_->reading(tokens).body) {
    if (const auto* product = std::get_if<kernels::Product>(&operation)) products.push_back(*product);
  }
  std::vector<kernels::TunedTiles> tuned =
      kernels::tune_matrices(device_, kernels_, products, tokens, tuning_file(), options);
  recordings_->forget(BatchPass::Kind::kRead, tokens);  // they are of before
  return tuned;
}

void ResidentModel::tune_prompts(uint32_t tokens) {
  const bool wanted = tuning_ != Tuning::kOff && kernels_.uses_matrix_units();
  if (!wanted || tokens <= kernels::kMaxVectorColumns || !tuned_prompts_.insert(tokens).second) return;
  const auto start = std::chrono::steady_clock::now();
  tuning([&] { tune_batch(tokens, {.budget = prompt_tuning_, .again = tuning_ == Tuning::kAgain}); });
  prompt_tuning_ -= std::chrono::steady_clock::now() - start;
}

uint32_t ResidentModel::next_read(uint32_t position, uint32_t left) {
  const PassWork& work =
      recordings_->work(BatchPass::Kind::kRead, std::bit_ceil(std::min(left, read_tokens_)));
  const uint32_t tokens = submitter_->pace().next_read(work, position, left).tokens;
  // Batches that the pace holds back, as long as little is known, are of a size that will not come again.
  held_back_ = 2 * tokens <= std::min(left, read_tokens_);
  return tokens;
}

double ResidentModel::seconds_to_read(uint32_t position, uint32_t tokens) {
  const PassWork& work = recordings_->work(BatchPass::Kind::kRead,
                                           std::bit_ceil(std::clamp(tokens, 2U, std::max(read_tokens_, 2U))));
  return submitter_->pace().seconds_to_read(work, position, tokens);
}

bool ResidentModel::submit_read(uint32_t slot, std::span<const Token> tokens, uint32_t position,
                                const Submitter::Progress& progress) {
  const auto count = static_cast<uint32_t>(tokens.size());
  wait_all();  // the batch may still be read
  // What is read before anything is known is short, and not worth the tuner's time.
  if (submitter_->pace().has_read() && !held_back_) tune_prompts(std::bit_ceil(count));
  kernels::BatchHead& head = read_head();
  head.tokens = count;
  head.outputs = 0;
  head.running = 1;
  for (uint32_t i = 0; i < count; ++i) {
    head.entries()[i] = {static_cast<uint32_t>(tokens[i]), position + i, slot, 0};
  }
  const uint32_t recorded = std::bit_ceil(count);
  const uint32_t end = position + count;
  const uint32_t splits = recorded == 1 && program_->int8()
                              ? splits_for(end, 1)
                              : kernels_.prompt_splits(attention_, recorded, end);
  const BatchPass pass{BatchPass::Kind::kRead, read_batch_.address(), recorded, splits};
  return submitter_->submit(pass, head, {.columns = count, .first = position}, progress) > 0;
}

uint64_t ResidentModel::submit_outputs(uint32_t first, uint32_t rows, bool sample) {
  wait_all();
  kernels::BatchHead& head = read_head();
  head.outputs = rows;
  for (uint32_t i = 0; i < rows; ++i) head.output_index[i] = first + i;
  const BatchPass pass{sample ? BatchPass::Kind::kSample : BatchPass::Kind::kOutputs, read_batch_.address(),
                       std::bit_ceil(rows), 1};
  return submitter_->submit(pass, head, {.columns = rows});
}

std::vector<float> ResidentModel::download_logits(uint32_t first, uint32_t rows) {
  std::vector<float> logits(uint64_t{rows} * spec_.vocabulary);
  const uint64_t from = uint64_t{first} * spec_.vocabulary * sizeof(float);
  device_.download(program_->logits(), from, std::as_writable_bytes(std::span(logits)));
  return logits;
}

uint64_t ResidentModel::submit_hidden() {
  wait_all();
  const uint32_t tokens = read_head().tokens;
  const BatchPass pass{BatchPass::Kind::kHidden, read_batch_.address(), std::bit_ceil(tokens), 1};
  return submitter_->submit(pass, read_head(), {.columns = tokens});
}

std::vector<float> ResidentModel::download_hidden(uint32_t first, uint32_t rows) {
  std::vector<float> hidden(uint64_t{rows} * spec_.width);
  const uint64_t from = uint64_t{first} * spec_.width * sizeof(float);
  device_.download(program_->hidden(), from, std::as_writable_bytes(std::span(hidden)));
  return hidden;
}

void ResidentModel::drop(uint32_t slot, uint32_t first, uint32_t count, uint32_t length) {
  wait_all();
  constexpr uint32_t kPage = kernels::kPageTokens;
  SlotMemory& memory = *slots_[slot];
  SlotMemory::PageDrop drop = memory.plan_drop(first / kPage, count / kPage, (length + kPage - 1) / kPage);
  if (!drop.moves.empty()) {
    shift_pages(device_, kernels_, model::shift_pass(spec_, kv_), drop.moves,
                model::rope_turn(spec_.rope, weights_.rope_factors, count), pages_.page_bytes());
  }
  memory.drop(std::move(drop));
}

void ResidentModel::begin_decode(std::span<const kernels::Entry> entries) {
  wait_all();
  const auto count = static_cast<uint32_t>(entries.size());
  tune_once(count);
  kernels::BatchHead& head = decode_head();
  head.tokens = count;
  head.outputs = count;
  head.running = count;
  decoding_ = count;
  for (uint32_t i = 0; i < count; ++i) {
    head.output_index[i] = i;
    head.entries()[i] = entries[i];
  }
}

void ResidentModel::place_in_decode(uint32_t slot, uint32_t position) {
  kernels::BatchHead& head = decode_head();
  for (uint32_t i = 0; i < head.tokens; ++i) {
    if (head.entries()[i].slot == slot) head.entries()[i].position = position;
  }
}

void ResidentModel::leave_decode(uint32_t slot) {
  wait_all();
  if (!slots_[slot]->end()) return;
  kernels::BatchHead& head = decode_head();
  head.running -= 1;
  if (head.running == 0) head.tokens = 0;
}

uint64_t ResidentModel::submit_step(uint32_t longest) {
  const uint32_t columns = step_columns(decoding_);
  const BatchPass pass{BatchPass::Kind::kStep, decode_batch_.address(), columns,
                       splits_for(longest, columns)};
  longest_ = longest;
  return submitter_->submit(pass, decode_head(), step_tokens(decoding_, longest));
}

uint32_t ResidentModel::splits_for(uint32_t longest, uint32_t sequences) const {
  return program_->steps_attend_at_once(sequences)
             ? kernels_.decode_splits(attention_, longest, sequences)
             : kernels_.splits_for(longest, sequences * attention_.kv_heads);
}

uint32_t ResidentModel::steps_ahead() {
  const uint32_t sequences = std::max(decoding_, 1U);
  return submitter_->pace().steps_ahead(recordings_->work(BatchPass::Kind::kStep, step_columns(sequences)),
                                        step_tokens(sequences, longest_));
}

}  // namespace caldera::engine

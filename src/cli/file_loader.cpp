#include "cli/file_loader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "caldera/error.hpp"
#include "cli/device_loss.hpp"
#include "cli/output.hpp"
#include "cli/run_options.hpp"
#include "cli/usual_sequences.hpp"
#include "engine/device_topology.hpp"
#include "gguf/file.hpp"
#include "gguf/split_name.hpp"
#include "hub/model_folder.hpp"
#include "model/plan_shape.hpp"
#include "plan/limits.hpp"
#include "plan/plan.hpp"

namespace caldera::cli {
namespace {

constexpr std::chrono::seconds kScanTime{2};

/// "SmolLM2-135M-Instruct-Q4_1" of its file, or of the first of its files.
std::string served_name(const std::filesystem::path& path) {
  const std::optional<gguf::SplitName> split = gguf::parse_split_name(path);
  return split ? split->model.filename().string() : path.stem().string();
}

int64_t modified_at(const std::filesystem::path& path) {
  std::error_code error;
  const auto time = std::filesystem::last_write_time(path, error);
  if (error) return 0;
  const auto since = std::chrono::file_clock::to_sys(time).time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(since).count();
}

uint64_t minus(uint64_t from, uint64_t bytes) {
  return from > bytes ? from - bytes : 0;
}

plan::Options plan_options(const plan::ModelShape& shape, const LoadOptions& load, uint32_t sequences) {
  plan::Options options;
  options.use = {.context = load.context > 0 ? load.context : std::min(shape.context, plan::kUsualContext),
                 .sequences = sequences,
                 .prefill_rows = load.prefill_rows,
                 .ring_bytes = load.ring_bytes,
                 .kv = load.kv,
                 .keep_kv = load.keep_kv};
  options.memory_limit = load.memory_limit;
  return options;
}

/// What the heaps would give if these models were gone.
void give_back(plan::Topology& topology, const server::LoadedModels& models) {
  for (const auto& model : models) {
    if (!model->model) continue;
    for (const HeapUse& use : model->model->memory().heaps) {
      if (use.heap >= topology.heaps.size()) continue;
      plan::Heap& heap = topology.heaps[use.heap];
      if (!heap.budget) continue;
      // A software driver's heap is as large as what the system has left.
      if (topology.type == plan::DeviceType::kCpu) heap.bytes += use.reserved;
      heap.budget = std::min(heap.bytes, *heap.budget + use.reserved);
    }
  }
}

/// Drivers that do not say what a process holds say what they have in all.
void take(plan::Topology& topology, const server::LoadedModels& models) {
  for (const auto& model : models) {
    if (!model->model || model->model->device().memory_budget || topology.type == plan::DeviceType::kCpu)
      continue;
    for (const HeapUse& use : model->model->memory().heaps) {
      if (use.heap >= topology.heaps.size()) continue;
      plan::Heap& heap = topology.heaps[use.heap];
      heap.budget = minus(heap.budget.value_or(heap.bytes), use.reserved);
    }
  }
}

/// Clients, who hear why a model is not there, need not know where its files are.
std::string without_folder(std::string line, const std::filesystem::path& folder) {
  if (folder.empty()) return line;
  const std::string prefix = (folder / "").string();
  for (size_t at = 0; (at = line.find(prefix, at)) != std::string::npos;) line.erase(at, prefix.size());
  return line;
}

/// Leaves `bytes` of the heaps to the conversations of models that are loaded.
void set_aside(plan::Topology& topology, uint64_t bytes) {
  for (const plan::UsableHeap& usable : plan::usable_heaps(topology)) {
    plan::Heap& heap = topology.heaps[usable.heap];
    const uint64_t part = std::min(bytes, usable.bytes);
    heap.budget = minus(heap.budget.value_or(heap.bytes), part);
    bytes -= part;
  }
}

}  // namespace

FileLoader::FileLoader(const ServeOptions& options, std::function<void(const std::string&)> note)
    : options_(options), note_(std::move(note)) {
  std::set<std::string> names;
  for (size_t i = 0; i < options_.models.size(); ++i) {
    const std::string& given = options_.models[i];
    Source source{.name = {}, .path = hub::find_model(given), .created = 0};
    if (i > 0 && !std::filesystem::exists(source.path)) {  // the first is loaded at once, and tells by itself
      throw Error(ErrorKind::kFile, fmt::format("{}: there is no such file", escape(given)));
    }
    source.created = modified_at(source.path);
    if (i < options_.names.size()) {
      source.name = options_.names[i];
    } else if (source.path == given) {
      source.name = served_name(source.path);
    } else {
      const auto model = hub::ModelFolder(hub::default_model_folder()).find(given);
      source.name = model ? model->name : served_name(source.path);
    }
    if (!names.insert(source.name).second) {
      throw Error(ErrorKind::kUsage,
                  fmt::format("two models are called '{}': give each a --name", source.name));
    }
    sources_.push_back(std::move(source));
  }
  if (options_.models.empty() && sources().empty()) {
    throw Error(ErrorKind::kUsage,
                fmt::format("MODEL is required: there is none in {} either; caldera pull fetches one",
                            escape(hub::default_model_folder().string())));
  }
}

std::vector<FileLoader::Source> FileLoader::sources() const {
  const std::scoped_lock lock(mutex_);
  if (!options_.models.empty()) return sources_;
  if (scanned_ != Clock::time_point{} && Clock::now() - scanned_ < kScanTime) return sources_;
  scanned_ = Clock::now();
  try {
    std::vector<Source> found;
    for (const hub::LocalModel& model : hub::ModelFolder(hub::default_model_folder()).list()) {
      if (model.complete) found.push_back({model.name, model.path(), model.modified});
    }
    sources_ = std::move(found);
  } catch (const Error& error) {  // a folder that cannot be read for the moment: as it was
    note_(error.what());
  }
  return sources_;
}

std::vector<server::ShelfModel> FileLoader::known() const {
  std::vector<server::ShelfModel> models;
  for (const Source& source : sources()) models.push_back({source.name, source.created});
  return models;
}

std::filesystem::path FileLoader::path_of(const std::string& name) const {
  for (const Source& source : sources()) {
    if (source.name == name) return source.path;
  }
  throw Error(ErrorKind::kFile, fmt::format("{}: its file is gone", name));
}

uint32_t FileLoader::sequences_for(const std::filesystem::path& path, const LoadOptions& load) const {
  return load.sequences > 0 ? load.sequences : usual_sequences(path.string(), load);
}

uint64_t FileLoader::need_of(const std::string& name, const plan::Topology& topology) {
  try {
    const plan::ModelShape shape = model::plan_shape(gguf::File::open(path_of(name)));
    const plan::Use use = plan_options(shape, options_.load, sequences_.at(name)).use;
    return plan::footprint(shape, use, topology.type, topology.matrix_units).total();
  } catch (const Error&) {  // what it holds is then all that is known
    return 0;
  }
}

uint64_t FileLoader::promised(const server::ServedModel& model, const plan::Topology& topology) {
  if (!model.model) return 0;
  const MemoryUse memory = model.model->memory();
  return std::max(memory.total(), need_of(model.name, topology)) - memory.far_weights;
}

uint64_t FileLoader::limit_beside(const server::LoadedModels& loaded, const plan::Topology& topology) {
  uint64_t limit = options_.load.memory_limit;
  if (limit == 0) return 0;
  for (const auto& model : loaded) limit = minus(limit, promised(*model, topology));
  return std::max<uint64_t>(limit, 1);  // 0 would be none
}

std::string FileLoader::why_not(const std::string& name, const server::LoadedModels& staying,
                                const server::LoadedModels& going) {
  plan::Topology topology;
  plan::ModelShape shape;
  try {
    shape = model::plan_shape(gguf::File::open(path_of(name)));
    topology = engine::device_topology(options_.load.device);
  } catch (const Error&) {  // loading says it better
    return {};
  }
  give_back(topology, going);
  take(topology, staying);
  uint64_t growth = 0;
  for (const auto& model : staying) {
    if (model->model) {
      growth += minus(promised(*model, topology),
                      minus(model->model->memory().total(), model->model->memory().far_weights));
    }
  }
  set_aside(topology, growth);
  // With fewer answers at once than it would have alone, if nobody asks for a number.
  const uint32_t sequences = options_.load.sequences > 0 ? options_.load.sequences : kLeastUsualSequences;
  plan::Options options = plan_options(shape, options_.load, sequences);
  options.memory_limit = limit_beside(staying, topology);
  const plan::Plan plan = plan::make_plan(shape, topology, options);
  if (!plan.fits) return plan::why_not(shape, topology, options);
  // A model in its card's memory answers many times as fast: others make room for it.
  if (plan.far_weights > 0 && !staying.empty()) {
    return fmt::format("{} of its weights would lie in host memory beside the others",
                       human_bytes(plan.far_weights));
  }
  return {};
}

server::ServedModel FileLoader::serve(const std::string& name, std::shared_ptr<Model> model,
                                      uint32_t sequences) {
  sequences_[name] = sequences;
  ServiceOptions service = options_.service;
  if (sources().size() > 1 && !service.cached_tokens) {
    // What is kept for later requests must not take the room of other models.
    service.cached_tokens = uint64_t{sequences} * std::min(model->context(), plan::kUsualContext);
  }
  std::shared_ptr<Service> running = make_service(model, service);
  return {.name = name, .model = std::move(model), .service = std::move(running)};
}

server::ServedModel FileLoader::load(const std::string& name, const server::LoadedModels& loaded,
                                     const std::function<bool(const LoadProgress&)>& progress) {
  const std::filesystem::path path = path_of(name);
  LoadOptions load = options_.load;
  if (load.memory_limit > 0) load.memory_limit = limit_beside(loaded, engine::device_topology(load.device));
  load.sequences = sequences_for(path, load);
  load.progress = progress;
  load.on_device_lost = device_loss_reporter(options_.quiet);
  try {
    std::shared_ptr<Model> model = Model::load(path, load);
    note_(fmt::format("loaded {}: {}", name, describe_memory(*model)));
    return serve(name, std::move(model), load.sequences);
  } catch (const Error& error) {
    note_(fmt::format("{} is not loaded: {}", name, error.what()));
    throw Error(error.kind(), without_folder(error.what(), path.parent_path()));
  }
}

std::vector<server::ServedModel> FileLoader::load_first() {
  std::vector<server::ServedModel> first;
  if (options_.models.empty()) return first;
  RunOptions run;
  run.model = sources_.front().path.string();
  run.load = options_.load;
  run.load.sequences = sequences_for(run.model, run.load);
  run.quiet = options_.quiet;
  first.push_back(serve(sources_.front().name, load_model(run), run.load.sequences));
  return first;
}

}  // namespace caldera::cli

#include "server/model_shelf.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "caldera/error.hpp"

namespace caldera::server {
namespace {

using Clock = std::chrono::steady_clock;
using Done = std::function<void(Acquired)>;

constexpr size_t kMostNamed = 20;  // models that an error lists

ApiError not_found(std::string_view name, const std::vector<ShelfModel>& known) {
  std::string names;
  for (size_t i = 0; i < std::min(known.size(), kMostNamed); ++i) {
    names += fmt::format("{}'{}'", i > 0 ? ", " : "", known[i].name);
  }
  return {.status = 404,
          .message = fmt::format("the model '{}' does not exist here; there is {}{}", name.substr(0, 256),
                                 names.empty() ? "none" : names, known.size() > kMostNamed ? ", ..." : ""),
          .code = "model_not_found",
          .param = "model"};
}

ApiError unavailable(std::string message, std::string code = {}) {
  return {.status = 503, .message = std::move(message), .code = std::move(code), .param = {}};
}

ApiError stopping() {
  return unavailable("the server is stopping");
}

}  // namespace

/// All of a shelf. What it hands out keeps it alive.
class ModelShelf::State : public std::enable_shared_from_this<State> {
 public:
  State(std::unique_ptr<ModelLoader> loader, std::vector<ServedModel> loaded, ShelfOptions options)
      : loader_(std::move(loader)), options_(options) {
    for (ServedModel& model : loaded) {
      const std::string name = model.name;
      if (first_.empty()) first_ = name;
      models_[name].served = std::make_shared<const ServedModel>(std::move(model));
    }
  }

  void start() {
    thread_ = std::thread([this] { run(); });
  }
  void stop() {
    refuse_all();
    thread_.join();
  }

  std::vector<ModelEntry> list();
  void acquire(std::string_view name, Done done);
  void drain(std::chrono::milliseconds patience);

 private:
  struct Entry {
    std::shared_ptr<const ServedModel> served;  ///< null: not loaded
    uint32_t users = 0;                         ///< leases
    Clock::time_point used{};                   ///< when a request last took or left it
    bool leaving = false;                       ///< takes no new requests
    std::string error;                          ///< of the last load, if that failed
    std::vector<Done> waiting;
  };
  struct Load {
    std::string name;
    LoadProgress progress;
  };

  /// `served`, and word when it is not held any more. The lock is held.
  std::shared_ptr<const ServedModel> lease(const std::string& name, Entry& entry, bool for_request);
  void release(const std::string& name, bool for_request);
  void refuse_all();
  /// Takes all who wait for `name`. The lock is held.
  std::vector<Done> take_waiting(const std::string& name) { return std::exchange(models_[name].waiting, {}); }
  LoadedModels loaded() const;
  std::string default_name(const std::vector<ShelfModel>& known) const;

  // The shelf's thread.
  void run();
  /// Loads `name`, making room; throws what makes that impossible.
  ServedModel load(const std::string& name);
  /// Takes a model off the shelf, waiting until it is idle; false where there is none.
  bool make_room(const std::string& name, Clock::time_point began);
  void succeed(const std::string& name, ServedModel model);
  void fail(const std::string& name, const std::string& why);

  const std::unique_ptr<ModelLoader> loader_;
  const ShelfOptions options_;
  std::string first_;  ///< the default one, where one was given
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Entry> models_;  ///< that were ever asked for
  std::deque<std::string> queue_;        ///< to be loaded, the one under way first
  std::optional<Load> load_;             ///< under way
  size_t waiting_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

std::shared_ptr<const ServedModel> ModelShelf::State::lease(const std::string& name, Entry& entry,
                                                            bool for_request) {
  struct Lease {
    std::shared_ptr<State> state;
    std::string name;
    std::shared_ptr<const ServedModel> served;
    bool for_request = false;
    ~Lease() {
      if (!state) return;
      served.reset();
      state->release(name, for_request);
    }
  };
  const auto held = std::make_shared<Lease>();
  held->name = name;
  held->served = entry.served;
  held->for_request = for_request;
  held->state = shared_from_this();  // last: from here on it is one that is given back
  ++entry.users;
  if (for_request) entry.used = Clock::now();
  return {held, held->served.get()};
}

void ModelShelf::State::release(const std::string& name, bool for_request) {
  {
    const std::scoped_lock lock(mutex_);
    Entry& entry = models_[name];
    --entry.users;
    if (for_request) entry.used = Clock::now();
  }
  changed_.notify_all();
}

LoadedModels ModelShelf::State::loaded() const {
  LoadedModels all;
  for (const auto& [name, entry] : models_) {
    if (entry.served) all.push_back(entry.served);
  }
  return all;
}

std::string ModelShelf::State::default_name(const std::vector<ShelfModel>& known) const {
  if (!first_.empty()) return first_;
  // The one used last needs no loading.
  const Entry* best = nullptr;
  std::string name;
  for (const auto& [each, entry] : models_) {
    if (!entry.served || entry.leaving || (best != nullptr && entry.used <= best->used)) continue;
    best = &entry;
    name = each;
  }
  if (best != nullptr) return name;
  return known.empty() ? std::string() : known.front().name;
}

std::vector<ModelEntry> ModelShelf::State::list() {
  const std::vector<ShelfModel> known = loader_->known();
  std::vector<ModelEntry> entries;
  const std::scoped_lock lock(mutex_);
  for (const ShelfModel& model : known) {
    ModelEntry entry{.name = model.name, .created = model.created};
    const auto found = models_.find(model.name);
    if (load_ && load_->name == model.name) {
      entry.state = ModelEntry::State::kLoading;
      entry.progress = load_->progress;
    } else if (found != models_.end()) {
      if (found->second.served) {
        entry.state = ModelEntry::State::kLoaded;
        entry.served = lease(model.name, found->second, false);
      } else if (!found->second.error.empty()) {
        entry.state = ModelEntry::State::kFailed;
        entry.error = found->second.error;
      }
    }
    entries.push_back(std::move(entry));
  }
  const std::string first = default_name(known);
  const auto place = std::find_if(entries.begin(), entries.end(),
                                  [&](const ModelEntry& entry) { return entry.name == first; });
  if (place != entries.end()) std::rotate(entries.begin(), place, place + 1);
  return entries;
}

void ModelShelf::State::acquire(std::string_view asked, Done done) {
  const std::vector<ShelfModel> known = loader_->known();
  Acquired result;
  {
    const std::scoped_lock lock(mutex_);
    const std::string name = asked.empty() ? default_name(known) : std::string(asked);
    const bool exists =
        std::any_of(known.begin(), known.end(), [&](const ShelfModel& model) { return model.name == name; });
    if (!exists) {
      result.error = not_found(name, known);
    } else if (stopping_) {
      result.error = stopping();
    } else if (Entry& entry = models_[name]; entry.served && !entry.leaving) {
      result.model = lease(name, entry, true);
    } else if (waiting_ >= options_.most_waiting) {
      result.error = {.status = 429,
                      .message = "too many requests wait for models to be loaded: try again later",
                      .code = "queue_full",
                      .param = {},
                      .retry_after = std::chrono::seconds(10)};
    } else {
      if (entry.waiting.empty() && std::find(queue_.begin(), queue_.end(), name) == queue_.end()) {
        queue_.push_back(name);
      }
      entry.waiting.push_back(std::move(done));
      ++waiting_;
      changed_.notify_all();
      return;
    }
  }
  done(std::move(result));
}

void ModelShelf::State::refuse_all() {
  std::vector<Done> all;
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    for (auto& [name, entry] : models_) {
      std::move(entry.waiting.begin(), entry.waiting.end(), std::back_inserter(all));
      entry.waiting.clear();
    }
    waiting_ = 0;
  }
  changed_.notify_all();
  for (const Done& done : all) done({nullptr, stopping()});
}

void ModelShelf::State::drain(std::chrono::milliseconds patience) {
  const auto end = Clock::now() + patience;
  refuse_all();
  LoadedModels models;
  {
    const std::scoped_lock lock(mutex_);
    models = loaded();
  }
  for (const auto& model : models) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
    model->service->drain(std::max(left, std::chrono::milliseconds(0)));
  }
}

void ModelShelf::State::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    const std::string name = queue_.front();
    Entry& entry = models_[name];          // never erased
    if (entry.served && !entry.leaving) {  // stayed after all
      std::vector<Acquired> answers;
      const std::vector<Done> waiting = take_waiting(name);
      waiting_ -= waiting.size();
      for (size_t i = 0; i < waiting.size(); ++i) answers.push_back({lease(name, entry, true), {}});
      queue_.pop_front();
      lock.unlock();
      for (size_t i = 0; i < waiting.size(); ++i) waiting[i](std::move(answers[i]));
      lock.lock();
      continue;
    }
    load_ = Load{name, {}};
    entry.error.clear();
    lock.unlock();
    try {
      succeed(name, load(name));
    } catch (const std::exception& error) {
      fail(name, error.what());
    }
    lock.lock();
  }
}

ServedModel ModelShelf::State::load(const std::string& name) {
  const auto began = Clock::now();
  while (true) {
    LoadedModels beside;
    {
      const std::scoped_lock lock(mutex_);
      beside = loaded();
    }
    std::string why = loader_->why_not(name, beside, {});
    if (!why.empty()) {
      // What would not fit alone costs nobody their place.
      if (!beside.empty()) why = loader_->why_not(name, {}, beside);
      if (!why.empty()) throw Error(ErrorKind::kMemory, why);
      beside.clear();  // a reference would keep its memory
      make_room(name, began);
      continue;
    }
    try {
      return loader_->load(name, beside, [&](const LoadProgress& progress) {
        const std::scoped_lock lock(mutex_);
        load_->progress = progress;
        return !stopping_;
      });
    } catch (const Error& error) {
      // The plan was wrong: others hold more than it knew.
      if (error.kind() != ErrorKind::kMemory || beside.empty()) throw;
      beside.clear();
      if (!make_room(name, began)) throw;
    }
  }
}

bool ModelShelf::State::make_room(const std::string& name, Clock::time_point began) {
  std::shared_ptr<const ServedModel> going;
  {
    std::unique_lock lock(mutex_);
    const auto oldest = [&](bool idle) {
      Entry* found = nullptr;
      for (auto& [each, entry] : models_) {
        if (!entry.served || (idle && entry.users > 0)) continue;
        if (found == nullptr || entry.used < found->used) found = &entry;
      }
      return found;
    };
    Entry* victim = nullptr;
    while (true) {
      if (stopping_)
        throw Error(ErrorKind::kMemory, fmt::format("{} was not loaded: the server is stopping", name));
      victim = oldest(true);
      if (victim != nullptr || oldest(false) == nullptr) break;
      const auto until = began + options_.patience;
      if (Clock::now() >= until) {
        oldest(false)->leaving = true;
        changed_.wait(lock);
      } else {
        changed_.wait_until(lock, until);
      }
    }
    for (auto& [each, entry] : models_) entry.leaving = false;
    if (victim == nullptr) return false;
    going = std::move(victim->served);
    victim->served = nullptr;
  }
  going.reset();  // gives its memory back, before the next one is loaded
  return true;
}

void ModelShelf::State::succeed(const std::string& name, ServedModel model) {
  std::vector<Done> waiting;
  std::vector<Acquired> answers;
  {
    const std::scoped_lock lock(mutex_);
    Entry& entry = models_[name];
    entry.served = std::make_shared<const ServedModel>(std::move(model));
    entry.used = Clock::now();
    load_.reset();
    queue_.pop_front();
    waiting = take_waiting(name);
    waiting_ -= waiting.size();
    for (size_t i = 0; i < waiting.size(); ++i) answers.push_back({lease(name, entry, true), {}});
  }
  for (size_t i = 0; i < waiting.size(); ++i) waiting[i](std::move(answers[i]));
}

void ModelShelf::State::fail(const std::string& name, const std::string& why) {
  std::vector<Done> waiting;
  {
    const std::scoped_lock lock(mutex_);
    load_.reset();
    queue_.pop_front();
    models_[name].error = why;
    waiting = take_waiting(name);
    waiting_ -= std::min(waiting_, waiting.size());
  }
  const ApiError error =
      unavailable(fmt::format("the model '{}' cannot be loaded: {}", name, why), "model_not_loaded");
  for (const Done& done : waiting) done({nullptr, error});
}

ModelShelf::ModelShelf(std::unique_ptr<ModelLoader> loader, std::vector<ServedModel> loaded,
                       ShelfOptions options)
    : state_(std::make_shared<State>(std::move(loader), std::move(loaded), options)) {
  state_->start();
}
ModelShelf::~ModelShelf() {
  state_->stop();
}

std::vector<ModelEntry> ModelShelf::list() const {
  return state_->list();
}
void ModelShelf::acquire(std::string_view name, std::function<void(Acquired)> done) {
  state_->acquire(name, std::move(done));
}
void ModelShelf::drain(std::chrono::milliseconds patience) {
  state_->drain(patience);
}

}  // namespace caldera::server

// Models that are loaded when they are asked for, and kept while there is room for them.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/models.hpp"

namespace caldera::server {

/// A model that could be loaded.
struct ShelfModel {
  std::string name;
  int64_t created = 0;  ///< as ModelEntry
};

using LoadedModels = std::vector<std::shared_ptr<const ServedModel>>;

/// Who knows the models and the memory. The shelf calls why_not() and load() from a thread of its own, one at
/// a time.
class ModelLoader {
 public:
  virtual ~ModelLoader() = default;
  /// All models, the default one first. Called by any thread, often.
  virtual std::vector<ShelfModel> known() const = 0;
  /// Empty where `name` would fit beside `staying` if `going`, which are loaded too, were gone; else why it
  /// does not, and what would, in one line.
  virtual std::string why_not(const std::string& name, const LoadedModels& staying,
                              const LoadedModels& going) = 0;
  /// Loads it. `progress` returns false to end that. Errors: as Model::load.
  virtual ServedModel load(const std::string& name, const LoadedModels& loaded,
                           const std::function<bool(const LoadProgress&)>& progress) = 0;
};

struct ShelfOptions {
  /// How long a model that is in use goes on taking requests when another one waits for its place; after that
  /// its own new requests wait in turn.
  std::chrono::milliseconds patience{10'000};
  size_t most_waiting = 1024;  ///< requests that wait for models; more are refused
};

/// Loads one model at a time, in the order in which they were first asked for, while those that are loaded go
/// on answering. Where the loader says that one does not fit beside the others, the ones that are idle go,
/// the least recently used first, and then those in use when their answers have ended.
class ModelShelf : public Models {
 public:
  /// `loaded`: models that are there from the beginning; the first is the default one.
  explicit ModelShelf(std::unique_ptr<ModelLoader> loader, std::vector<ServedModel> loaded = {},
                      ShelfOptions options = {});
  /// Ends a load that is under way; who waits is told.
  ~ModelShelf() override;

  std::vector<ModelEntry> list() const override;
  void acquire(std::string_view name, std::function<void(Acquired)> done) override;
  void drain(std::chrono::milliseconds patience) override;

 private:
  class State;
  std::shared_ptr<State> state_;
};

}  // namespace caldera::server

// The models that a server answers with: fixed ones from the command line, or loaded on demand.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "caldera/model.hpp"
#include "caldera/service.hpp"
#include "server/api_error.hpp"
#include "server/language.hpp"

namespace caldera::server {

/// A model that answers. Whoever holds it keeps it loaded: for one request, no longer.
struct ServedModel {
  std::string name;
  std::shared_ptr<Model> model;  ///< null in tests of the front alone
  std::shared_ptr<Service> service;
  std::shared_ptr<const Language> language{};  ///< null: language_of(model), which tests replace
};

/// A model as /v1/models and /v1/status show it.
struct ModelEntry {
  enum class State { kAvailable, kLoading, kLoaded, kFailed };
  std::string name;
  State state = State::kAvailable;
  int64_t created = 0;                        ///< seconds since 1970: when its file was last changed, or 0
  LoadProgress progress;                      ///< of kLoading
  std::string error;                          ///< of kFailed, one line
  std::shared_ptr<const ServedModel> served;  ///< of kLoaded
};

/// What came of acquire(): a model, or why not.
struct Acquired {
  std::shared_ptr<const ServedModel> model;  ///< null: `error` says why
  ApiError error;
};

class Models {
 public:
  virtual ~Models() = default;
  /// All that acquire() knows, the default one first.
  virtual std::vector<ModelEntry> list() const = 0;
  /// Finds the model called `name` (empty: the default one), and loads it where that is needed. `done` is
  /// called once, perhaps before this returns, by any thread, and must not wait. Errors: 404
  /// "model_not_found"; 503 where it cannot be loaded.
  virtual void acquire(std::string_view name, std::function<void(Acquired)> done) = 0;
  /// Lets no new model load, and drains every service: returns when all answers have ended or `patience` has
  /// passed.
  virtual void drain(std::chrono::milliseconds patience) = 0;
};

/// Models that are loaded already, for as long as the server lives.
class FixedModels : public Models {
 public:
  /// At least one; the first is the default.
  explicit FixedModels(std::vector<ServedModel> models);
  std::vector<ModelEntry> list() const override;
  void acquire(std::string_view name, std::function<void(Acquired)> done) override;
  void drain(std::chrono::milliseconds patience) override;

 private:
  std::vector<std::shared_ptr<const ServedModel>> models_;
};

}  // namespace caldera::server

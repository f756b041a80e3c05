// The models that `caldera serve` was given, or that lie in the folder of models, for the server's shelf.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "cli/serve_options.hpp"
#include "plan/topology.hpp"
#include "server/model_shelf.hpp"

namespace caldera::cli {

class FileLoader : public server::ModelLoader {
 public:
  /// Models of the command line, or where it names none those of the default folder, as they come and go.
  /// `note` takes lines for the log, from any thread. Errors: kUsage (none, or two of one name), kFile.
  FileLoader(const ServeOptions& options, std::function<void(const std::string&)> note);

  std::vector<server::ShelfModel> known() const override;
  /// As `caldera plan` sees it.
  std::string why_not(const std::string& name, const server::LoadedModels& staying,
                      const server::LoadedModels& going) override;
  server::ServedModel load(const std::string& name, const server::LoadedModels& loaded,
                           const std::function<bool(const LoadProgress&)>& progress) override;

  /// Loads the first model of the command line, at the terminal; nothing where there is none there.
  std::vector<server::ServedModel> load_first();

 private:
  struct Source {
    std::string name;
    std::filesystem::path path;
    int64_t created = 0;
  };
  using Clock = std::chrono::steady_clock;

  /// Those of the folder as they were at most some seconds ago.
  std::vector<Source> sources() const;
  std::filesystem::path path_of(const std::string& name) const;
  /// Bytes that `caldera plan` gives the model; 0 where its file cannot be planned for.
  uint64_t need_of(const std::string& name, const plan::Topology& topology);
  /// How many answers at once a model is loaded for: as asked for, or what suits the room there is.
  uint32_t sequences_for(const std::filesystem::path& path, const LoadOptions& load) const;
  /// Bytes of near memory that a loaded model has, or will when its conversations are of usual length.
  uint64_t promised(const server::ServedModel& model, const plan::Topology& topology);
  uint64_t limit_beside(const server::LoadedModels& loaded, const plan::Topology& topology);
  server::ServedModel serve(const std::string& name, std::shared_ptr<Model> model, uint32_t sequences);

  const ServeOptions& options_;
  std::function<void(const std::string&)> note_;
  std::map<std::string, uint32_t> sequences_;  ///< of models that were loaded
  mutable std::mutex mutex_;
  mutable std::vector<Source> sources_;
  mutable Clock::time_point scanned_{};
};

}  // namespace caldera::cli

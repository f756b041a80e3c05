// Fetches a model from a hub into the folder of models.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "hub/hub.hpp"
#include "hub/model_folder.hpp"
#include "hub/model_name.hpp"

namespace caldera::hub {

struct PullProgress {
  enum class Stage {
    kListing,   ///< the repository's files are asked for
    kChecking,  ///< what is there already is read again
    kFetching,
    kWaiting,  ///< until another try; see `why`
  };
  Stage stage = Stage::kListing;
  std::string file;          ///< of the repository
  uint64_t bytes_done = 0;   ///< of all files; of the file that is read, when checking
  uint64_t bytes_total = 0;  ///< likewise
  std::string why;           ///< of kWaiting, one line: what went wrong
  double seconds = 0;        ///< of kWaiting: until the next try
};

struct Pulled {
  LocalModel model;
  bool was_there = false;  ///< all of it, and the same as on the hub
  uint64_t fetched = 0;    ///< bytes
  bool checksums = true;   ///< the hub gave them for all files
};

/// Fetches the model that `name` means; what an earlier call left unfinished is gone on with. Files get their
/// names when all of them are whole and right. `progress` is called several times a second; false ends it
/// with TransferCancelled, and what has come is kept. Errors: kFile, kUsage (several models), kFormat (no
/// GGUF).
Pulled pull(const ModelName& name, const ModelFolder& folder, Hub& hub,
            const std::function<bool(const PullProgress&)>& progress);

}  // namespace caldera::hub

#include "engine/weight_source.hpp"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "caldera/error.hpp"
#include "engine/resident_model.hpp"
#include "gguf/input_file.hpp"

namespace caldera::engine {
namespace {

std::vector<gguf::FileIdentity> identities_of(const gguf::File& file) {
  std::vector<gguf::FileIdentity> identities;
  for (uint32_t i = 0; i < file.paths().size(); ++i) identities.push_back(file.input(i).identity());
  return identities;
}

}  // namespace

MakeWeights weights_of(const gguf::File& file, const model::ModelSpec& spec, const LoadOptions& options) {
  LoadOptions kept = options;
  kept.progress = nullptr;
  kept.on_device_lost = nullptr;
  // Not kept open: its metadata would stay in memory with it.
  return
      [first = &file, path = std::filesystem::absolute(file.paths()[0]), identities = identities_of(file),
       spec, options = std::move(kept)](vulkan::Device& device, const model::LoadCallback& progress) mutable {
        const model::ContextRoom room = context_room(spec, options, device.physical());
        const model::WeightOptions ways{options.way, options.ring_bytes, room.least, room.wished};
        if (const gguf::File* opened = std::exchange(first, nullptr)) {
          return model::load_weights(*opened, spec, device, progress, ways);
        }
        const gguf::File again = gguf::File::open(path);
        if (identities_of(again) != identities) {
          throw Error(
              ErrorKind::kFile,
              fmt::format("{} is not the file that the model was loaded from: put that back", path.string()));
        }
        return model::load_weights(again, spec, device, progress, ways);
      };
}

}  // namespace caldera::engine

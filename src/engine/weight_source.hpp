// Where a model's weights come from, as often as they are needed.
#pragma once

#include <functional>

#include "caldera/model.hpp"
#include "gguf/file.hpp"
#include "model/spec.hpp"
#include "model/weights.hpp"
#include "vulkan/device.hpp"

namespace caldera::engine {

/// Places a model's weights on the device it is given: when the model is loaded, and again on every device
/// that takes the place of a lost one.
using MakeWeights =
    std::function<model::Weights(vulkan::Device& device, const model::LoadCallback& progress)>;

/// The weights of a file, which is read the way the options say. `file` need only stay until the first call
/// has ended; later ones open it again. Errors then: kFile when it is gone or is not the same any more.
MakeWeights weights_of(const gguf::File& file, const model::ModelSpec& spec, const LoadOptions& options);

}  // namespace caldera::engine

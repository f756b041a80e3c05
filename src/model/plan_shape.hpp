// Models in the planner's terms.
#pragma once

#include "gguf/file.hpp"
#include "model/spec.hpp"
#include "plan/model_shape.hpp"

namespace caldera::model {

/// The dimensions of a model, without tensors.
plan::ModelShape plan_shape(const ModelSpec& spec);

/// With the tensors of its file. Errors: kUnsupported (a tensor of a type whose size is not known).
plan::ModelShape plan_shape(const ModelSpec& spec, const gguf::File& file);

/// The same for any file whose metadata says enough, also where read_spec() refuses it: what cannot be run
/// can still be planned for. Errors: kFormat (metadata missing or impossible), kUnsupported as above.
plan::ModelShape plan_shape(const gguf::File& file);

}  // namespace caldera::model

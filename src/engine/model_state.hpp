// What a Model holds.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "caldera/model.hpp"
#include "engine/engine.hpp"
#include "text/chat_template.hpp"
#include "text/constraint.hpp"
#include "text/tokenizer.hpp"

namespace caldera {

struct Model::State {
  ModelInfo info;
  std::unique_ptr<text::Tokenizer> tokenizer;
  std::unique_ptr<text::ConstraintFactory> constraints;  ///< of that tokenizer
  std::unique_ptr<engine::Engine> engine;
  std::string template_source;
  std::mutex template_mutex;
  std::optional<text::ChatTemplate> chat_template;  ///< parsed when first used
};

}  // namespace caldera

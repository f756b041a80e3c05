#include "text/chat_template.hpp"

#include "text/jinja/evaluator.hpp"
#include "text/jinja/parser.hpp"
#include "text/jinja/python_text.hpp"

namespace caldera::text {

struct ChatTemplate::State {
  jinja::Body body;
};

ChatTemplate::ChatTemplate(std::string_view source)
    : state_(std::make_unique<State>(State{jinja::parse(source)})) {}

ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;

std::string ChatTemplate::render(const ChatInput& input) const {
  jinja::Runtime runtime;
  jinja::Evaluator evaluator(runtime);
  evaluator.define("messages", jinja::from_json(runtime, input.messages));
  evaluator.define("tools", jinja::from_json(runtime, input.tools));
  evaluator.define("documents", jinja::Value(jinja::None{}));
  evaluator.define("bos_token", runtime.make_string(input.bos_token));
  evaluator.define("eos_token", runtime.make_string(input.eos_token));
  evaluator.define("add_generation_prompt", jinja::Value(input.add_generation_prompt));
  for (const auto& [name, value] : input.extra.items())
    evaluator.define(name, jinja::from_json(runtime, value));
  return evaluator.render(state_->body);
}

}  // namespace caldera::text

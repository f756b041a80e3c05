// A model's chat template: a Jinja program over the messages of a conversation.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace caldera::text {

/// What a template sees. `messages` and `tools` are JSON in the shape of the OpenAI API.
struct ChatInput {
  nlohmann::ordered_json messages = nlohmann::ordered_json::array();
  nlohmann::ordered_json tools = nullptr;
  nlohmann::ordered_json extra = nlohmann::ordered_json::object();  ///< further variables, by name
  std::string bos_token;
  std::string eos_token;
  bool add_generation_prompt = true;
};

/// A parsed template. Semantics are those of Jinja2 as Hugging Face transformers runs it: trim_blocks and
/// lstrip_blocks on, the loop controls extension, `raise_exception`, `strftime_now`, `tojson`.
class ChatTemplate {
 public:
  /// Errors: kUnsupported, with the template's line, for syntax it cannot parse.
  explicit ChatTemplate(std::string_view source);
  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;

  /// The prompt. Errors: kInput, with the template's words, where it raises or an expression fails.
  std::string render(const ChatInput& input) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace caldera::text

// Tool calls out of a model's text, as it comes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/answer_delta.hpp"
#include "server/tool_call_scanner.hpp"

namespace caldera::server {

/// How a model writes its calls.
enum class ToolStyle {
  kNone,
  /// <tool_call>{"name": ..., "arguments": {...}}</tool_call>, several behind each other: Hermes, Qwen.
  /// https://github.com/NousResearch/Hermes-Function-Calling
  kHermes,
  /// {"name": ..., "parameters": {...}} instead of an answer, perhaps behind <|python_tag|>, several
  /// separated by ';', ',' or white space: Llama 3. Arrays of such objects too, as Mistral writes them.
  /// https://www.llama.com/docs/model-cards-and-prompt-formats/llama3_1/
  kLlama3,
};

/// The style that a chat template's text shows; kNone where it knows nothing of tools.
ToolStyle tool_style(std::string_view chat_template);

/// Splits text into content and calls. What may be the beginning of a marker is held back until it is
/// certain; what begins like a call and is none goes out as content.
class ToolCallParser {
 public:
  ToolCallParser(ToolStyle style, std::vector<std::string> names);

  void push(std::string_view text, std::vector<AnswerDelta>& deltas);
  void finish(std::vector<AnswerDelta>& deltas);

 private:
  enum class Place {
    kStart,   ///< nothing but white space yet
    kText,    ///< in content
    kBefore,  ///< behind a marker
    kObject,  ///< in a call
    kBehind,  ///< behind a call
    kSkip,    ///< in a call that broke when it was out already: up to its end marker
  };
  bool step(std::vector<AnswerDelta>& deltas, bool last);
  bool start(bool last);
  bool text(std::vector<AnswerDelta>& deltas, bool last);
  bool before(bool last);
  bool object(std::vector<AnswerDelta>& deltas);
  bool behind(bool last);
  bool skip();
  void give_up();
  void begin_call();

  ToolStyle style_;
  std::vector<std::string> names_;
  Place place_ = Place::kStart;
  std::string held_;    ///< not looked at yet
  std::string opened_;  ///< the marker and white space before a call, should it be none
  std::optional<ToolCallScanner> scanner_;
  bool announced_ = false;
  size_t plain_ = 0;  ///< bytes of held_ that are content, whatever they look like
  uint32_t calls_ = 0;
};

}  // namespace caldera::server

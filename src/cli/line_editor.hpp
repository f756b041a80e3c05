// Lines typed at the terminal: editing and history by libedit, UTF-8, Ctrl-C as an event.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

namespace caldera::cli {

class LineEditor {
 public:
  enum class Event {
    kLine,              ///< a line was entered
    kInterrupted,       ///< Ctrl-C; something was typed
    kInterruptedEmpty,  ///< Ctrl-C on an empty line
    kEnd,               ///< Ctrl-D on an empty line, or the terminal is gone
  };

  /// The history is read from `history` and kept there after every line; an empty path keeps none.
  explicit LineEditor(std::filesystem::path history);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  /// Reads one line, without its line end. Takes note of the interrupt (interrupt::clear()).
  Event read(const std::string& prompt, std::string& line);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// ${XDG_STATE_HOME:-~/.local/state}/caldera/history, with its folders made; empty where there is no home.
std::filesystem::path history_path();

}  // namespace caldera::cli

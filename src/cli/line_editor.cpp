#include "cli/line_editor.hpp"

#include <histedit.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cwchar>

#include "cli/interrupt.hpp"
#include "cli/output.hpp"

namespace caldera::cli {
namespace {

constexpr int kHistoryLines = 1000;

volatile sig_atomic_t terminal_changed = 0;  // resized, or back from being suspended

void on_terminal_change(int) {
  terminal_changed = 1;
}

}  // namespace

struct LineEditor::State {
  EditLine* editor = nullptr;
  History* history = nullptr;
  HistEvent event = {};
  FILE* screen = nullptr;
  std::string history_file;
  std::string prompt;
  Event stop = Event::kEnd;  // why read_character() gave up
  std::mbstate_t decoding = {};

  static State& of(EditLine* editor) {
    void* self = nullptr;
    el_get(editor, EL_CLIENTDATA, &self);
    return *static_cast<State*>(self);
  }

  static char* show_prompt(EditLine* editor) { return of(editor).prompt.data(); }

  /// One character for libedit: 1, or -1 when the line ends here. Broken UTF-8 is passed over.
  static int read_character(EditLine* editor, wchar_t* out) {
    State& self = of(editor);
    for (;;) {
      pollfd waits[2] = {{STDIN_FILENO, POLLIN, 0}, {interrupt::descriptor(), POLLIN, 0}};
      const int ready = poll(waits, 2, -1);
      if (interrupt::pending()) {
        const LineInfo* line = el_line(editor);
        self.stop = line->lastchar == line->buffer ? Event::kInterruptedEmpty : Event::kInterrupted;
        return -1;
      }
      if (terminal_changed != 0) self.restore_terminal();
      if (ready <= 0 || waits[0].revents == 0) continue;
      char byte = 0;
      const ssize_t got = ::read(STDIN_FILENO, &byte, 1);
      if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (got <= 0) {
        self.stop = Event::kEnd;
        return -1;
      }
      const size_t used = std::mbrtowc(out, &byte, 1, &self.decoding);
      if (used == static_cast<size_t>(-1)) self.decoding = {};
      // Not 0, a NUL: that is how the terminal hands on a Ctrl-D that was typed while the answer came.
      if (used == 1) return 1;
    }
  }

  /// After a suspension the shell's terminal modes are in force, after resizing the width is another.
  void restore_terminal() {
    terminal_changed = 0;
    el_set(editor, EL_PREP_TERM, 0);
    el_set(editor, EL_PREP_TERM, 1);
    el_resize(editor);
    el_set(editor, EL_REFRESH);
  }
};

LineEditor::LineEditor(std::filesystem::path history_file) : state_(std::make_unique<State>()) {
  State& self = *state_;
  self.screen = isatty(STDOUT_FILENO) == 1 ? stdout : stderr;
  self.editor = el_init("caldera", stdin, self.screen, stderr);
  self.history = history_init();
  if (self.editor == nullptr || self.history == nullptr) throw std::bad_alloc();
  history(self.history, &self.event, H_SETSIZE, kHistoryLines);
  history(self.history, &self.event, H_SETUNIQUE, 1);
  el_set(self.editor, EL_CLIENTDATA, &self);
  el_set(self.editor, EL_PROMPT, State::show_prompt);
  el_set(self.editor, EL_EDITOR, "emacs");
  el_set(self.editor, EL_HIST, history, self.history);
  el_set(self.editor, EL_GETCFN, State::read_character);
  el_set(self.editor, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  el_source(self.editor, nullptr);  // the user's ~/.editrc
  self.history_file = history_file.string();
  if (!self.history_file.empty()) history(self.history, &self.event, H_LOAD, self.history_file.c_str());

  struct sigaction action = {};
  action.sa_handler = on_terminal_change;
  sigemptyset(&action.sa_mask);
  sigaction(SIGWINCH, &action, nullptr);
  sigaction(SIGCONT, &action, nullptr);
}

LineEditor::~LineEditor() {
  signal(SIGWINCH, SIG_DFL);
  signal(SIGCONT, SIG_DFL);
  el_end(state_->editor);
  history_end(state_->history);
}

LineEditor::Event LineEditor::read(const std::string& prompt, std::string& line) {
  State& self = *state_;
  self.prompt = prompt;
  self.stop = Event::kEnd;
  self.decoding = {};
  if (terminal_changed != 0) el_resize(self.editor);
  terminal_changed = 0;
  // Before the prompt is seen: what is typed from then on must find the terminal in its editing mode.
  el_set(self.editor, EL_PREP_TERM, 1);
  int count = 0;
  const char* text = el_gets(self.editor, &count);
  if (text == nullptr || count <= 0) {
    if (self.stop != Event::kEnd) {
      interrupt::clear();
      std::fputs("^C", self.screen);
    }
    std::fputs("\n", self.screen);
    std::fflush(self.screen);
    return self.stop;
  }
  line.assign(text, static_cast<size_t>(count));
  if (line.ends_with('\n')) line.pop_back();
  if (line.find_first_not_of(" \t") != std::string::npos) {
    history(self.history, &self.event, H_ENTER, line.c_str());
    if (!self.history_file.empty()) history(self.history, &self.event, H_SAVE, self.history_file.c_str());
  }
  return Event::kLine;
}

std::filesystem::path history_path() {
  const char* state = std::getenv("XDG_STATE_HOME");
  const char* home = std::getenv("HOME");
  std::filesystem::path folder;
  if (state != nullptr && state[0] == '/') {  // the specification ignores relative paths
    folder = state;
  } else if (home != nullptr && home[0] == '/') {
    folder = std::filesystem::path(home) / ".local" / "state";
  } else {
    return {};
  }
  folder /= "caldera";
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return {};
  chmod(folder.c_str(), S_IRWXU);  // what was asked is nobody else's business
  return folder / "history";
}

}  // namespace caldera::cli

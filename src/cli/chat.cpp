// The interactive form of `caldera run`: a conversation at the terminal.
#include <algorithm>
#include <array>
#include <cstdlib>

#include "cli/conversation_file.hpp"
#include "cli/interrupt.hpp"
#include "cli/line_editor.hpp"
#include "cli/output.hpp"
#include "cli/prompt.hpp"
#include "cli/run_options.hpp"
#include "cli/settings.hpp"

namespace caldera::cli {
namespace {

constexpr std::string_view kQuotes = "\"\"\"";

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// `text` as a path; "~/" is the home folder, as in a shell.
std::filesystem::path to_path(std::string_view text) {
  const char* home = std::getenv("HOME");
  if (text.starts_with("~/") && home != nullptr) return std::filesystem::path(home) / text.substr(2);
  return text;
}

class Chat {
 public:
  Chat(const RunOptions& options, std::shared_ptr<Model> model)
      : options_(options), model_(std::move(model)), session_(model_), editor_(history_path()) {
    if (options.system) messages_.push_back({"system", *options.system});
  }

  int run();

 private:
  enum class Input { kMessage, kCommand, kNothing, kEnd };
  struct ChatCommand {
    std::string_view name;
    std::string_view argument;
    std::string_view help;
    void (Chat::*run)(std::string_view argument);
  };
  static std::span<const ChatCommand> chat_commands();

  Input read(std::string& text);
  bool read_block(std::string& text);
  bool next_line(const std::string& prompt, std::string& line);
  void command(std::string_view line);
  void answer(const std::string& text);
  /// The tokens of the conversation that stay when others are forgotten: at least the system message, as the
  /// template writes it.
  uint32_t keep() const;
  /// Makes the session hold the conversation that ends with the message to be answered.
  void assign(const std::vector<Message>& turn, const GenerateOptions& generate);
  std::string_view system() const;

  void help(std::string_view);
  void reset(std::string_view);
  void set_system(std::string_view text);
  void save(std::string_view path);
  void load(std::string_view path);
  void context(std::string_view);
  void stats(std::string_view);
  void set(std::string_view argument);
  void quit(std::string_view) { done_ = true; }

  RunOptions options_;
  std::shared_ptr<Model> model_;
  Session session_;
  LineEditor editor_;
  std::vector<Message> messages_;  // the system message first, if there is one
  std::optional<Generation> last_;
  int empty_interrupts_ = 0;
  bool done_ = false;
};

std::span<const Chat::ChatCommand> Chat::chat_commands() {
  static constexpr std::array kTable = {
      ChatCommand{"/help", "", "show this", &Chat::help},
      ChatCommand{"/reset", "", "forget the conversation; the system message stays", &Chat::reset},
      ChatCommand{"/system", "[TEXT]", "show the system message, or set it", &Chat::set_system},
      ChatCommand{"/save", "FILE", "save the conversation", &Chat::save},
      ChatCommand{"/load", "FILE", "go on with a saved conversation", &Chat::load},
      ChatCommand{"/context", "", "show how much of the context is used, and what happens at its end",
                  &Chat::context},
      ChatCommand{"/stats", "", "show context, speed and memory", &Chat::stats},
      ChatCommand{"/set", "[NAME VALUE]", "show the generation settings, or set one", &Chat::set},
      ChatCommand{"/quit", "", "leave; Ctrl-D does the same", &Chat::quit},
  };
  return kTable;
}

int Chat::run() {
  if (!options_.quiet) say("type a message; /help lists commands, Ctrl-C stops an answer, Ctrl-D leaves");
  while (!done_) {
    std::string text;
    interrupt::clear();  // what it stopped is over
    try {
      switch (read(text)) {
        case Input::kMessage:
          answer(text);
          break;
        case Input::kCommand:
          command(text);
          break;
        case Input::kNothing:
          break;
        case Input::kEnd:
          return 0;
      }
    } catch (const Error& error) {
      // Whatever failed, the conversation is still here: it can be saved, shortened or tried again.
      if (error.kind() == ErrorKind::kContext) {
        say("no room for this in the context of {} tokens; nothing is lost: /reset starts anew, /save keeps "
            "the "
            "conversation, a larger --context holds more",
            model_->context());
      } else {
        say("{}", one_line(error.what()));
      }
    }
  }
  return 0;
}

/// One line; false on Ctrl-D (the chat is done) and on Ctrl-C (it is not).
bool Chat::next_line(const std::string& prompt, std::string& line) {
  switch (editor_.read(prompt, line)) {
    case LineEditor::Event::kLine:
      empty_interrupts_ = 0;
      return true;
    case LineEditor::Event::kInterrupted:
      empty_interrupts_ = 0;
      return false;
    case LineEditor::Event::kInterruptedEmpty:
      if (++empty_interrupts_ == 2) say("/quit or Ctrl-D leaves");
      return false;
    case LineEditor::Event::kEnd:
      done_ = true;
      return false;
  }
  return false;
}

/// Reads on until a line ends with three quotes. False when it was given up.
bool Chat::read_block(std::string& text) {
  std::string line = text.substr(kQuotes.size());
  text.clear();
  while (!line.ends_with(kQuotes)) {
    text += line + "\n";
    if (text.size() > kMaxInputBytes)
      throw Error(ErrorKind::kInput, "the message is longer than any context holds");
    if (!next_line(". ", line)) return false;
  }
  text += line.substr(0, line.size() - kQuotes.size());
  return true;
}

Chat::Input Chat::read(std::string& text) {
  if (!next_line("> ", text)) return done_ ? Input::kEnd : Input::kNothing;
  if (text.starts_with(kQuotes)) {
    if (!read_block(text)) return done_ ? Input::kEnd : Input::kNothing;
    return trim(text).empty() ? Input::kNothing : Input::kMessage;
  }
  const bool is_command = text.starts_with('/');
  while (!is_command && text.ends_with('\\')) {
    std::string line;
    if (!next_line(". ", line)) return done_ ? Input::kEnd : Input::kNothing;
    text.back() = '\n';
    text += line;
    if (text.size() > kMaxInputBytes)
      throw Error(ErrorKind::kInput, "the message is longer than any context holds");
  }
  if (trim(text).empty()) return Input::kNothing;
  return is_command ? Input::kCommand : Input::kMessage;
}

void Chat::command(std::string_view line) {
  const std::string_view name = line.substr(0, line.find_first_of(" \t"));
  for (const ChatCommand& row : chat_commands()) {
    if (row.name == name) return (this->*row.run)(trim(line.substr(name.size())));
  }
  say("there is no command {}; /help lists them", escape(name));
}

void Chat::answer(const std::string& text) {
  std::vector<Message> turn = messages_;
  turn.push_back({"user", text});
  GenerateOptions generate = options_.generate;
  generate.keep = keep();
  generate.constraint = model_->constrain(options_.format);
  assign(turn, generate);
  std::optional<AnswerMeter> meter;
  if (options_.stats) meter.emplace(model_->device(), options_.machine);
  const Generation generation = stream_answer(session_, generate, options_.quiet, false);
  if (!generation.text.ends_with('\n')) write_out("\n");
  if (meter) say("{}", describe_use(meter->finish(), generation.tokens.size()));
  turn.push_back({"assistant", generation.text});
  messages_ = std::move(turn);
  if (generation.reason == StopReason::kContextFull) {
    say("the context of {} tokens is full, so the answer ends here: /set context-end shift lets it go on, "
        "/reset starts anew, /save keeps it",
        model_->context());
  } else if (generation.reason == StopReason::kOutOfMemory) {
    say("the answer ends here: {}; /reset frees the conversation's memory", one_line(generation.error));
  } else if (generation.reason == StopReason::kDeviceLost) {
    say("the answer ends here: {}; the conversation is kept: go on to try again, or /save it",
        one_line(generation.error));
  } else if (generation.reason == StopReason::kCancelled && !options_.quiet) {
    say("(stopped)");
  }
  if (generation.dropped_tokens > 0 && !options_.quiet)
    say("(the context was full: {} of its oldest tokens are forgotten)", generation.dropped_tokens);
  if (options_.verbose) say("{}", describe_rates(generation));
  last_ = generation;
}

uint32_t Chat::keep() const {
  if (system().empty()) return options_.generate.keep;
  // What two conversations of the same system message begin with.
  const auto tokens = [&](const char* text) {
    const Message messages[] = {messages_.front(), {"user", text}};
    return conversation_tokens(*model_, messages);
  };
  const std::vector<Token> one = tokens("1");
  const std::vector<Token> other = tokens("a");
  const auto same = std::mismatch(one.begin(), one.end(), other.begin(), other.end()).first - one.begin();
  return std::max(options_.generate.keep, static_cast<uint32_t>(same));
}

void Chat::assign(const std::vector<Message>& turn, const GenerateOptions& generate) {
  const std::vector<Token> tokens = conversation_tokens(*model_, turn);
  if (generate.context_end == ContextEnd::kStop || tokens.size() < model_->context()) {
    session_.assign(tokens);
    return;
  }
  // Of older turns much may be forgotten, but not of the message that is to be answered.
  std::vector<Message> alone{turn.back()};
  if (turn.size() > 1 && turn.front().role == "system") alone.insert(alone.begin(), turn.front());
  const size_t least = conversation_tokens(*model_, alone).size();
  if (least >= model_->context()) {
    throw Error(ErrorKind::kContext, fmt::format("the message alone is {} tokens", least));
  }
  session_.assign_shifting(tokens, generate.keep);
}

std::string_view Chat::system() const {
  return !messages_.empty() && messages_.front().role == "system" ? messages_.front().content
                                                                  : std::string_view();
}

void Chat::help(std::string_view) {
  for (const ChatCommand& row : chat_commands()) {
    say("  {:<20} {}", fmt::format("{} {}", row.name, row.argument), row.help);
  }
  say("  a line that ends with \\ goes on in the next; {} begins and ends a block of lines", kQuotes);
}

void Chat::reset(std::string_view) {
  messages_.resize(system().empty() ? 0 : 1);
  session_.truncate(0);
  last_.reset();
  say("the conversation is forgotten");
}

void Chat::set_system(std::string_view text) {
  if (text.empty()) {
    say("{}", system().empty() ? "there is no system message" : terminal_safe(system()));
    return;
  }
  if (system().empty()) messages_.insert(messages_.begin(), Message{"system", ""});
  messages_.front().content = text;
  say("the system message is set");
}

void Chat::save(std::string_view path) {
  if (path.empty()) throw Error(ErrorKind::kUsage, "/save needs a file name");
  save_conversation(to_path(path), messages_);
  say("saved {} messages", messages_.size());
}

void Chat::load(std::string_view path) {
  if (path.empty()) throw Error(ErrorKind::kUsage, "/load needs a file name");
  std::vector<Message> messages = load_conversation(to_path(path));
  if (!messages.empty()) {
    const std::vector<Token> tokens = conversation_tokens(*model_, messages);
    if (tokens.size() >= model_->context() && options_.generate.context_end == ContextEnd::kStop) {
      throw Error(ErrorKind::kUsage,
                  fmt::format("{}: its {} tokens do not fit the context of {}; raise --context", escape(path),
                              tokens.size(), model_->context()));
    }
    if (tokens.size() < model_->context()) session_.assign(tokens);  // read with the next message
  }
  messages_ = std::move(messages);
  last_.reset();
  say("loaded {} messages, {} tokens", messages_.size(), session_.tokens().size());
}

void Chat::context(std::string_view) {
  const size_t used = session_.tokens().size();
  const uint32_t all = model_->context();
  say("context: {} of {} tokens used, {} left", used, all, all - std::min<size_t>(all, used));
  if (last_) say("the last turn read {} tokens and kept {}", last_->prompt_tokens, last_->reused_tokens);
  if (session_.dropped() > 0) say("{} older tokens are forgotten", session_.dropped());
  if (options_.generate.context_end == ContextEnd::kShift) {
    say("when it is full, the oldest quarter behind the first {} tokens is forgotten", keep());
  } else {
    say("when it is full, the answer stops; /set context-end shift forgets the oldest tokens instead");
  }
}

void Chat::stats(std::string_view) {
  say("context: {} of {} tokens", session_.tokens().size(), model_->context());
  if (last_) say("{}", describe_rates(*last_));
  if (options_.cooling) say("{}", describe_cooling(options_.cooling->report()));
  const MemoryUse memory = model_->memory();
  say("memory: {} in all: weights {}, KV {}, activations {}, staging {}", human_bytes(memory.total()),
      human_bytes(memory.weights), human_bytes(memory.kv), human_bytes(memory.activations),
      human_bytes(memory.staging));
  say("{}", describe_step(*model_));
}

void Chat::set(std::string_view argument) {
  if (argument.empty()) {
    for (const Setting& setting : settings())
      say("  {:<18} {}", setting.name, setting.get(options_.generate));
    return;
  }
  const std::string_view name = argument.substr(0, argument.find_first_of(" \t"));
  for (const Setting& setting : settings()) {
    if (name != setting.name) continue;
    setting.set(options_.generate, name, trim(argument.substr(name.size())));
    say("{} is {}", name, setting.get(options_.generate));
    return;
  }
  say("there is no setting {}; /set lists them", escape(name));
}

}  // namespace

int chat(const RunOptions& options) {
  const std::shared_ptr<Model> model = load_model(options);
  return Chat(options, model).run();
}

}  // namespace caldera::cli

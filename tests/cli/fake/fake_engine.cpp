// A test double of the public interface: no device, no weights, tokens that are bytes. With it the program's
// own behaviour (terminal, pipes, signals, JSON, exit codes) is tested in seconds and without luck. A model
// is any file that begins with "fake"; the rest of its first line says how the engine is to behave:
//   slow               every token takes 20 ms
//   memory, device, bad_alloc, exception   loading fails so
//   slow-load          loading takes five seconds
// The answer to a prompt is "You said: " and the last line of the prompt that is not empty, again and again,
// or with a positive temperature letters drawn from the seed.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>
#include <utility>

#include "caldera/caldera.hpp"

namespace caldera {
namespace {

constexpr uint32_t kContext = 4096;
constexpr Token kEnd = 256;
constexpr std::string_view kAnswer = "assistant:\n";
bool slow = false;
std::function<double(double)> rest;  // of the model that was loaded last

/// An answer that is held to a format is the format, once.
struct FakeConstraint : TokenConstraint {
  explicit FakeConstraint(std::string text) : source(std::move(text)) {}
  void allow(std::span<uint32_t>) override {}
  void accept(Token) override {}
  std::string source;
};

void wait(int milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

}  // namespace

struct Model::State {
  ModelInfo info;
  DeviceInfo device;
  uint32_t context = kContext;
};

Model::Model(std::unique_ptr<State> state) : state_(std::move(state)) {}
Model::~Model() = default;

std::shared_ptr<Model> Model::load(const std::filesystem::path& path, const LoadOptions& options) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) throw Error(ErrorKind::kFile, path.string() + ": cannot open");
  if (!line.starts_with("fake")) throw Error(ErrorKind::kFormat, path.string() + ": not a fake model");
  if (line == "fake memory") throw Error(ErrorKind::kMemory, "memory was refused:\nask for less");
  if (line == "fake device") throw Error(ErrorKind::kDevice, "the device was lost");
  if (line == "fake bad_alloc") throw std::bad_alloc();
  if (line == "fake exception") throw std::logic_error("unforeseen");
  for (uint64_t part = 1; part <= 50 && line == "fake slow-load"; ++part) {
    wait(100);
    if (options.progress && !options.progress({part << 20, uint64_t{50} << 20})) {
      throw Error(ErrorKind::kUsage, "loading was cancelled");
    }
  }
  auto state = std::make_unique<State>();
  state->info = {.name = "fake", .architecture = "fake", .format = "F32", .context_length = kContext};
  state->info.scaled_context =
      options.position_scaling == PositionScaling::kYarn ? options.context : kContext;
  state->info.has_chat_template = true;
  state->device = list_devices(options.device).front();
  if (options.context != 0) state->context = options.context;
  rest = options.rest;
  slow = line == "fake slow";
  return std::shared_ptr<Model>(new Model(std::move(state)));
}

const ModelInfo& Model::info() const {
  return state_->info;
}
const DeviceInfo& Model::device() const {
  return state_->device;
}
uint32_t Model::context() const {
  return state_->context;
}
const LoadReport& Model::load_report() const {
  static const LoadReport kReport;
  return kReport;
}
StepShape Model::decode_shape() const {
  return {.dispatches = 3, .barriers = 2};
}
engine::Engine& Model::engine() const {
  std::abort();
}

MemoryUse Model::memory() const {
  MemoryUse use;
  use.weights = uint64_t{94} << 20;
  use.kv_limit = uint64_t{state_->context} << 10;
  return use;
}

std::vector<Token> Model::tokenize(std::string_view text, bool, bool) const {
  std::vector<Token> tokens;
  for (const char c : text) tokens.push_back(static_cast<unsigned char>(c));
  return tokens;
}

std::string Model::detokenize(std::span<const Token> tokens, bool) const {
  std::string text;
  for (const Token token : tokens) text += token < kEnd ? std::string(1, static_cast<char>(token)) : "";
  return text;
}

std::shared_ptr<TokenConstraint> Model::constrain(const AnswerFormat& format) const {
  if (format.kind == AnswerFormat::Kind::kText) return nullptr;
  if (format.source == "{refused}") throw Error(ErrorKind::kInput, "the JSON schema at '#': no");
  return std::make_shared<FakeConstraint>(format.source);
}

std::string_view Model::chat_template() const {
  return {};
}
const text::Tokenizer& Model::tokenizer() const {
  throw Error(ErrorKind::kUnsupported, "a fake model's tokens are bytes");
}

std::string Model::apply_chat_template(std::span<const Message> messages, const ChatOptions& options) const {
  std::string out;
  for (const Message& message : messages) {
    if (message.content == "raise") throw Error(ErrorKind::kInput, "the chat template raised: no");
    out += message.role + ":\n" + message.content + "\n";
  }
  if (options.add_generation_prompt) out += kAnswer;
  return out;
}

std::string Model::apply_chat_template_json(std::string_view messages, const ChatOptions& options) const {
  std::vector<Message> list;
  for (const auto& message : nlohmann::json::parse(messages))
    list.push_back({message["role"], message["content"]});
  return apply_chat_template(list, options);
}

struct Session::State {
  std::shared_ptr<Model> model;
  std::vector<Token> tokens;
  uint32_t read = 0;
  uint32_t dropped = 0;

  /// Forgets a quarter behind the first `keep`.
  uint32_t shift(uint32_t keep) {
    const auto quarter = static_cast<uint32_t>((tokens.size() - keep) / 4);
    tokens.erase(tokens.begin() + keep, tokens.begin() + keep + quarter);
    dropped += quarter;
    return quarter;
  }
};

Session::Session(std::shared_ptr<Model> model) : state_(std::make_unique<State>()) {
  state_->model = std::move(model);
}
Session::~Session() = default;
std::span<const Token> Session::tokens() const {
  return state_->tokens;
}

void Session::append(std::span<const Token> tokens) {
  const size_t size = state_->tokens.size() + tokens.size();
  if (size >= state_->model->context()) {
    throw Error(ErrorKind::kContext,
                fmt::format("{} tokens do not fit the context of {}", size, state_->model->context()));
  }
  state_->tokens.insert(state_->tokens.end(), tokens.begin(), tokens.end());
}

uint32_t Session::assign(std::span<const Token> tokens) {
  uint32_t same = 0;
  while (same < tokens.size() && same < state_->read && tokens[same] == state_->tokens[same]) ++same;
  std::vector<Token> before = std::move(state_->tokens);
  state_->tokens.clear();
  try {
    append(tokens);
  } catch (...) {
    state_->tokens = std::move(before);
    throw;
  }
  state_->read = same;
  return same;
}

uint32_t Session::assign_shifting(std::span<const Token> tokens, uint32_t keep) {
  state_->tokens.assign(tokens.begin(), tokens.end());
  while (state_->tokens.size() >= state_->model->context()) state_->shift(keep);
  state_->read = keep;
  return keep;
}

uint32_t Session::dropped() const {
  return state_->dropped;
}

void Session::truncate(uint32_t length) {
  state_->tokens.resize(std::min<size_t>(length, state_->tokens.size()));
  state_->read = std::min(state_->read, length);
}

Generation Session::generate(const GenerateOptions& options) {
  State& self = *state_;
  Generation out;
  out.seed = options.sampling.seed.value_or(std::random_device{}());
  out.reused_tokens = self.read;
  out.prompt_tokens = static_cast<uint32_t>(self.tokens.size()) - self.read;
  out.prompt_seconds = 0.5;
  std::string last = self.model->detokenize(self.tokens);
  if (last.ends_with(kAnswer)) last.resize(last.size() - kAnswer.size() - 1);
  std::string answer = "You said: " + last.substr(last.find_last_of('\n') + 1);
  if (auto* held = static_cast<FakeConstraint*>(options.constraint.get())) {
    answer = std::exchange(held->source, "used twice");
  }
  std::mt19937_64 random(out.seed);
  for (size_t i = 0;; ++i) {
    if (!options.ignore_end && i >= answer.size()) break;
    if (self.tokens.size() >= self.model->context() && options.context_end == ContextEnd::kShift) {
      out.dropped_tokens += self.shift(options.keep);
    }
    if (self.tokens.size() >= self.model->context()) {
      out.reason = StopReason::kContextFull;
      break;
    }
    if (options.max_tokens != 0 && i >= options.max_tokens) {
      out.reason = StopReason::kMaxTokens;
      break;
    }
    if (slow) wait(20);
    if (rest) rest(0.05);  // how long is for the engine to heed
    const char c = options.sampling.temperature > 0 && !options.ignore_end
                       ? static_cast<char>('a' + random() % 26)
                       : answer[i % answer.size()];
    self.tokens.push_back(static_cast<unsigned char>(c));
    out.tokens.push_back(self.tokens.back());
    out.text += c;
    out.decode_seconds += 0.01;
    const auto ends = [&](const std::string& stop) { return out.text.ends_with(stop); };
    if (std::ranges::any_of(options.stop, ends)) {
      out.reason = StopReason::kStopString;
      break;
    }
    if (options.on_text && !options.on_text(std::string_view(&c, 1))) {
      out.reason = StopReason::kCancelled;
      break;
    }
  }
  self.read = static_cast<uint32_t>(self.tokens.size());
  return out;
}

std::vector<DeviceInfo> list_devices(const std::string& choice) {
  if (std::getenv("CALDERA_FAKE_NO_DRIVER") != nullptr) return {};
  DeviceInfo device;
  device.name = "Fake\x1b Device";
  device.type = "cpu";
  device.driver = "fake 1.0";
  device.api_version = "1.3.0";
  device.pci_address = "0000:c4:00.0";
  device.heaps = {{.bytes = uint64_t{2} << 30, .device_local = true, .budget = uint64_t{1} << 30}};
  device.usable = true;
  device.chosen = choice.empty() || device.name.find(choice) != std::string::npos;
  device.reason = "the only one";
  return {device};
}

std::vector<std::string> build_features() {
  return {"cooperative matrix: not built"};
}

}  // namespace caldera

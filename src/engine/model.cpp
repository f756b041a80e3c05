// Model of the public interface: a file, its tokenizer and template, and the engine that runs it.
#include "caldera/model.hpp"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "caldera/error.hpp"
#include "engine/engine.hpp"
#include "engine/model_state.hpp"
#include "model/position_scaling.hpp"
#include "quant/gguf_types.hpp"
#include "text/chat_template.hpp"

namespace caldera {
namespace {

using nlohmann::ordered_json;

/// For models that carry no template of their own: the format most chat models understand.
constexpr std::string_view kChatMl =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/// The format that most weights are in.
std::string main_format(const gguf::File& file) {
  std::map<uint32_t, uint64_t> elements;
  for (const gguf::Tensor& tensor : file.tensors()) elements[tensor.type] += tensor.elements();
  uint32_t best = 0;
  for (const auto& [type, count] : elements) {
    if (count >= elements[best]) best = type;
  }
  return quant::gguf_type_name(best);
}

ModelInfo describe(const gguf::File& file, const engine::Engine& engine) {
  const model::ModelSpec& spec = engine.spec();
  ModelInfo info;
  info.name = spec.name.empty() ? file.paths()[0].filename().string() : spec.name;
  info.architecture = spec.architecture;
  info.format = main_format(file);
  info.parameters = engine.parameters();
  info.file_bytes = file.file_bytes();
  info.context_length = model::trained_context(spec);
  info.scaled_context = spec.context;
  info.layers = static_cast<uint32_t>(spec.layers.size());
  info.width = spec.width;
  info.vocabulary = spec.vocabulary;
  info.pooling = spec.pooling;
  info.has_chat_template = file.metadata().has("tokenizer.chat_template");
  return info;
}

ordered_json parse_json(std::string_view text, std::string_view what) {
  try {
    return ordered_json::parse(text);
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorKind::kInput, fmt::format("{} is not valid JSON: {}", what, error.what()));
  }
}

}  // namespace

Model::Model(std::unique_ptr<State> state) : state_(std::move(state)) {}
Model::~Model() = default;

std::shared_ptr<Model> Model::load(const std::filesystem::path& path, const LoadOptions& options) {
  const gguf::File file = gguf::File::open(path);
  auto tokenizer = text::Tokenizer::create(file.metadata());
  // Before the weights are read, which takes minutes for a large model.
  model::ModelSpec spec = model::read_spec(file);
  model::scale_positions(spec, options.position_scaling, options.position_factor, options.context);
  if (options.pooling) spec.pooling = options.pooling;
  if (tokenizer->size() > spec.vocabulary) {
    throw Error(ErrorKind::kFormat,
                fmt::format("the tokenizer has {} tokens and token_embd.weight only {} rows",
                            tokenizer->size(), spec.vocabulary));
  }
  auto engine = std::make_unique<engine::Engine>(file, spec, options);
  auto state = std::make_unique<State>();
  state->info = describe(file, *engine);
  state->tokenizer = std::move(tokenizer);
  state->constraints = std::make_unique<text::ConstraintFactory>(*state->tokenizer);
  state->engine = std::move(engine);
  state->template_source = file.metadata().string("tokenizer.chat_template").value_or(kChatMl);
  return std::shared_ptr<Model>(new Model(std::move(state)));
}

const ModelInfo& Model::info() const {
  return state_->info;
}
const DeviceInfo& Model::device() const {
  return state_->engine->device_info();
}
MemoryUse Model::memory() const {
  const std::scoped_lock lock(state_->engine->mutex());
  return state_->engine->memory();
}
const LoadReport& Model::load_report() const {
  return state_->engine->load_report();
}
StepShape Model::decode_shape() const {
  const std::scoped_lock lock(state_->engine->mutex());
  return state_->engine->decode_shape();
}
uint32_t Model::context() const {
  return state_->engine->context();
}
engine::Engine& Model::engine() const {
  return *state_->engine;
}
std::string_view Model::chat_template() const {
  return state_->template_source;
}
std::shared_ptr<TokenConstraint> Model::constrain(const AnswerFormat& format) const {
  return state_->constraints->make(format);
}
const text::Tokenizer& Model::tokenizer() const {
  return *state_->tokenizer;
}

std::vector<Token> Model::tokenize(std::string_view text, bool add_special, bool parse_special) const {
  return state_->tokenizer->encode(text, {add_special, parse_special});
}

std::string Model::detokenize(std::span<const Token> tokens, bool special) const {
  for (const Token token : tokens) {
    if (token < 0 || static_cast<uint32_t>(token) >= state_->tokenizer->size()) {
      throw Error(ErrorKind::kUsage, fmt::format("there is no token {}: the vocabulary has {}", token,
                                                 state_->tokenizer->size()));
    }
  }
  return state_->tokenizer->decode(tokens, special);
}

std::string Model::apply_chat_template(std::span<const Message> messages, const ChatOptions& options) const {
  ordered_json list = ordered_json::array();
  for (const Message& message : messages)
    list.push_back({{"role", message.role}, {"content", message.content}});
  // Broken UTF-8 in a message is the caller's to refuse; here it must only not throw.
  return apply_chat_template_json(list.dump(-1, ' ', false, ordered_json::error_handler_t::replace), options);
}

std::string Model::apply_chat_template_json(std::string_view messages_json,
                                            const ChatOptions& options) const {
  text::ChatInput input;
  input.messages = parse_json(messages_json, "the list of messages");
  if (!options.tools_json.empty()) input.tools = parse_json(options.tools_json, "the list of tools");
  if (!options.extra_json.empty()) input.extra = parse_json(options.extra_json, "the template's variables");
  const text::Tokenizer& tokenizer = *state_->tokenizer;
  if (tokenizer.bos() >= 0) input.bos_token = tokenizer.token_text(tokenizer.bos());
  if (tokenizer.eos() >= 0) input.eos_token = tokenizer.token_text(tokenizer.eos());
  input.add_generation_prompt = options.add_generation_prompt;
  const std::scoped_lock lock(state_->template_mutex);
  if (!state_->chat_template) state_->chat_template.emplace(state_->template_source);
  return state_->chat_template->render(input);
}

}  // namespace caldera

#include "server/fake_model.hpp"

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "caldera/error.hpp"

namespace caldera::server {

using Json = nlohmann::ordered_json;

// The real one needs the engine, and with it a device.
// NOLINTNEXTLINE(performance-unnecessary-value-param): as it is declared
std::shared_ptr<const Language> language_of(std::shared_ptr<Model>) {
  throw Error(ErrorKind::kInternal, "there is no model in this test");
}

std::vector<Token> FakeLanguage::tokenize(std::string_view text, bool, bool) const {
  std::vector<Token> tokens;
  for (const char c : text) tokens.push_back(static_cast<unsigned char>(c));
  return tokens;
}

std::string FakeLanguage::piece(Token token) const {
  return std::string(1, static_cast<char>(token));
}

std::string FakeLanguage::apply_chat_template(std::string_view messages_json,
                                              const ChatOptions& options) const {
  std::string text;
  if (!options.tools_json.empty()) text += "<tools>" + options.tools_json + "\n";
  for (const Json& message : Json::parse(messages_json)) {
    text += "<" + message["role"].get<std::string>() + ">" + message["content"].get<std::string>();
    if (message.contains("tool_calls")) text += message["tool_calls"].dump();
    text += "\n";
    if (message["content"] == "RAISE") throw Error(ErrorKind::kInput, "the template raised: no");
  }
  text += "<assistant>";
  if (text.find("THINKING") != std::string::npos) text += "<think>\n";
  return text;
}

std::shared_ptr<TokenConstraint> FakeLanguage::constrain(const AnswerFormat& format) const {
  if (format.kind == AnswerFormat::Kind::kText) return nullptr;
  if (format.source.find("impossible") != std::string::npos) {
    throw Error(ErrorKind::kInput, "the schema cannot be enforced at /impossible");
  }
  class Anything : public TokenConstraint {
    void allow(std::span<uint32_t> bits) override { std::fill(bits.begin(), bits.end(), ~0U); }
    void accept(Token) override {}
  };
  return std::make_shared<Anything>();
}

struct FakeService::State {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::thread> threads;
  std::vector<CompletionRequest> requests;
  std::set<uint64_t> cancelled;
  bool draining = false;
};

std::shared_ptr<FakeService::State> FakeService::state() const {
  const std::scoped_lock lock(mutex_);
  if (!state_) state_ = std::make_shared<State>();
  return state_;
}

FakeService::~FakeService() {
  const auto state = this->state();
  std::vector<std::thread> threads;
  {
    const std::scoped_lock lock(state->mutex);
    for (uint64_t id = 1; id <= state->requests.size(); ++id) state->cancelled.insert(id);
    threads = std::move(state->threads);
  }
  state->changed.notify_all();
  for (std::thread& thread : threads) thread.join();
}

Admission FakeService::submit(CompletionRequest request, std::shared_ptr<CompletionListener> listener) {
  const auto state = this->state();
  const std::scoped_lock lock(state->mutex);
  const std::string prompt(request.prompt.begin(), request.prompt.end());
  if (state->draining || prompt.find("FULL") != std::string::npos) return {0, std::chrono::seconds(7)};
  state->requests.push_back(request);
  const uint64_t id = state->requests.size();
  state->threads.emplace_back([this, id, request = std::move(request), listener = std::move(listener)] {
    answer(id, request, *listener);
  });
  return {id, {}};
}

void FakeService::answer(uint64_t id, const CompletionRequest& request, CompletionListener& listener) {
  const auto state = this->state();
  const std::string prompt(request.prompt.begin(), request.prompt.end());
  std::string text = "Hello there!";
  if (const size_t say = prompt.rfind("SAY "); say != std::string::npos) {
    text = prompt.substr(say + 4);
    // Up to the end of the message, unless more lines are asked for.
    text = text.substr(0, text.find("\n<assistant>"));
  }
  CompletionEnd end;
  end.prompt_tokens = static_cast<uint32_t>(request.prompt.size());
  end.cached_tokens = 2;
  if (request.pooling) {
    text = "?";
    end.embedding.resize(8);
    for (const Token token : request.prompt) end.embedding[static_cast<size_t>(token % 8)] += 1;
    double square = 0;
    for (const float value : end.embedding) square += value * value;
    for (float& value : end.embedding) value = static_cast<float>(value / std::sqrt(square));
  }
  for (const std::string& stop : request.stop) {
    if (const size_t found = text.find(stop); found != std::string::npos) {
      text = text.substr(0, found);
      end.reason = StopReason::kStopString;
      end.stop_string = stop;
    }
  }
  if (request.max_tokens > 0 && text.size() > request.max_tokens) {
    text = text.substr(0, request.max_tokens);
    end.reason = StopReason::kMaxTokens;
  }
  for (size_t i = 0; i < text.size(); i += 3) {
    {
      std::unique_lock lock(state->mutex);
      const auto gone = [&] { return state->cancelled.contains(id); };
      if (prompt.find("SLOW") != std::string::npos) {
        state->changed.wait_for(lock, std::chrono::seconds(10), gone);
      }
      if (gone()) end.reason = StopReason::kCancelled;
    }
    if (end.reason == StopReason::kCancelled) break;
    CompletionChunk chunk;
    chunk.text = text.substr(i, 3);
    for (const char c : chunk.text) {
      const Token token = static_cast<unsigned char>(c);
      chunk.tokens.push_back(token);
      if (!request.top_logprobs) continue;
      TokenChoice choice{{token, -0.5F}, {}};
      for (uint32_t k = 0; k < *request.top_logprobs; ++k) {
        choice.top.push_back({static_cast<Token>('a' + k), -0.5F - static_cast<float>(k)});
      }
      chunk.choices.push_back(std::move(choice));
    }
    end.completion_tokens += static_cast<uint32_t>(chunk.tokens.size());
    listener.on_chunk(std::move(chunk));
    if (prompt.find("FAIL") != std::string::npos) {
      end.reason = StopReason::kOutOfMemory;
      end.error = "memory for the next tokens was refused";
      break;
    }
  }
  listener.on_end(end);
}

void FakeService::cancel(uint64_t id) {
  const auto state = this->state();
  {
    const std::scoped_lock lock(state->mutex);
    state->cancelled.insert(id);
  }
  state->changed.notify_all();
}

ServiceStatus FakeService::status() const {
  const auto state = this->state();
  const std::scoped_lock lock(state->mutex);
  ServiceStatus status;
  status.slots = 4;
  status.draining = state->draining;
  status.cancelled = state->cancelled.size();
  return status;
}

void FakeService::drain(std::chrono::milliseconds) {
  const auto state = this->state();
  const std::scoped_lock lock(state->mutex);
  state->draining = true;
}

std::vector<CompletionRequest> FakeService::requests() const {
  const auto state = this->state();
  const std::scoped_lock lock(state->mutex);
  return state->requests;
}

uint64_t FakeService::cancelled() const {
  return status().cancelled;
}

}  // namespace caldera::server

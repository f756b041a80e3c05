// A model and a service without weights: the prompt says what is answered.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "caldera/service.hpp"
#include "server/language.hpp"
#include "server/models.hpp"

namespace caldera::server {

/// Tokens are bytes. The template writes "<role>content\n" for each message, the tools before them.
class FakeLanguage : public Language {
 public:
  explicit FakeLanguage(std::string chat_template = "{{ tools }} <tool_call>", uint32_t context = 4096)
      : template_(std::move(chat_template)), context_(context) {}
  std::vector<Token> tokenize(std::string_view text, bool add_special, bool parse_special) const override;
  std::string piece(Token token) const override;
  std::string apply_chat_template(std::string_view messages_json, const ChatOptions& options) const override;
  std::string_view chat_template() const override { return template_; }
  bool has_chat_template() const override { return true; }
  uint32_t context() const override { return context_; }
  uint32_t vocabulary() const override { return 256; }
  uint32_t width() const override { return 8; }
  std::optional<Pooling> pooling() const override { return Pooling::kMean; }
  bool constrains() const override { return false; }
  std::shared_ptr<TokenConstraint> constrain(const AnswerFormat& format) const override;

 private:
  std::string template_;
  uint32_t context_;
};

/// Answers on a thread of its own, three bytes a chunk: with what stands behind the last "SAY " of the
/// prompt, else with "Hello there!". "FAIL" in it makes memory run out after the first chunk; "SLOW" waits
/// between chunks until it is cancelled or ten seconds have passed; "FULL" is refused. Embeddings count the
/// bytes of the prompt by their remainder by 8.
class FakeService : public Service {
 public:
  ~FakeService() override;
  Admission submit(CompletionRequest request, std::shared_ptr<CompletionListener> listener) override;
  void cancel(uint64_t id) override;
  ServiceStatus status() const override;
  void drain(std::chrono::milliseconds patience) override;

  /// The requests so far.
  std::vector<CompletionRequest> requests() const;
  uint64_t cancelled() const;

 private:
  struct State;
  void answer(uint64_t id, const CompletionRequest& request, CompletionListener& listener);
  std::shared_ptr<State> state() const;

  mutable std::mutex mutex_;
  mutable std::shared_ptr<State> state_;
};

struct FakeModel {
  std::shared_ptr<FakeLanguage> language = std::make_shared<FakeLanguage>();
  std::shared_ptr<FakeService> service = std::make_shared<FakeService>();
  std::vector<ServedModel> served(const std::string& name = "fake") const {
    return {{name, nullptr, service, language}};
  }
};

}  // namespace caldera::server

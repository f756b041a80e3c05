#include "server/language.hpp"

#include <utility>

#include "text/constraint.hpp"
#include "text/tokenizer.hpp"

namespace caldera::server {
namespace {

class ModelLanguage : public Language {
 public:
  explicit ModelLanguage(std::shared_ptr<Model> model) : model_(std::move(model)) {}

  std::vector<Token> tokenize(std::string_view text, bool add_special, bool parse_special) const override {
    return model_->tokenize(text, add_special, parse_special);
  }
  std::string piece(Token token) const override {
    if (token < 0 || static_cast<uint32_t>(token) >= model_->tokenizer().size()) return {};
    return model_->tokenizer().piece(token, true);
  }
  std::string apply_chat_template(std::string_view messages_json, const ChatOptions& options) const override {
    return model_->apply_chat_template_json(messages_json, options);
  }
  std::string_view chat_template() const override { return model_->chat_template(); }
  bool has_chat_template() const override { return model_->info().has_chat_template; }
  uint32_t context() const override { return model_->context(); }
  uint32_t vocabulary() const override { return model_->tokenizer().size(); }
  uint32_t width() const override { return model_->info().width; }
  std::optional<Pooling> pooling() const override { return model_->info().pooling; }

  bool constrains() const override { return text::ConstraintFactory::available(); }
  std::shared_ptr<TokenConstraint> constrain(const AnswerFormat& format) const override {
    return model_->constrain(format);
  }

 private:
  std::shared_ptr<Model> model_;
};

}  // namespace

std::shared_ptr<const Language> language_of(std::shared_ptr<Model> model) {
  return std::make_shared<ModelLanguage>(std::move(model));
}

}  // namespace caldera::server

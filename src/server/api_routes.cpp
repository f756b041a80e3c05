#include "server/api_routes.hpp"

#include <fmt/format.h>

#include <chrono>
#include <exception>
#include <utility>

#include "server/answer_job.hpp"
#include "server/anthropic_request.hpp"
#include "server/anthropic_response.hpp"
#include "server/chat_prompt.hpp"
#include "server/embedding_job.hpp"
#include "server/json.hpp"
#include "server/openai_chat_request.hpp"
#include "server/openai_chat_response.hpp"
#include "server/openai_completions.hpp"
#include "server/openai_embeddings.hpp"
#include "server/openai_responses.hpp"
#include "server/openai_responses_request.hpp"

namespace caldera::server {
namespace {

/// Most numbers of one answer of embeddings: 64 MiB of them, some 200 MiB as text.
constexpr uint64_t kMaxNumbers = uint64_t{1} << 24;

/// Where an answer to one request goes, and in which dialect errors do.
struct Exchange {
  std::shared_ptr<Responder> responder;
  Dialect dialect;
  std::string request_id;
  std::string client;
};

/// Runs `work`; what it throws becomes an error in the dialect.
template <typename Work>
void guarded(const Exchange& exchange, Work work) {
  try {
    work();
  } catch (const std::exception&) {
    send_error(*exchange.responder, exchange.dialect, current_api_error(), exchange.request_id);
  }
}

class Api : public std::enable_shared_from_this<Api> {
 public:
  explicit Api(Models& models) : models_(models), relay_(std::make_shared<Relay>()) {}

  using Endpoint = void (Api::*)(const Exchange&, const Json&);
  Handler handler(Dialect dialect, Endpoint endpoint) {
    return [self = shared_from_this(), dialect, endpoint](Request request,
                                                          std::shared_ptr<Responder> responder) {
      const Exchange exchange{std::move(responder), dialect, request.id, request.client};
      guarded(exchange, [&] { ((*self).*endpoint)(exchange, parse_json(request.body)); });
    };
  }

  void chat_completions(const Exchange& exchange, const Json& body);
  void completions(const Exchange& exchange, const Json& body);
  void responses(const Exchange& exchange, const Json& body);
  void messages(const Exchange& exchange, const Json& body);
  void count_tokens(const Exchange& exchange, const Json& body);
  void embeddings(const Exchange& exchange, const Json& body);

 private:
  using Found = std::function<void(std::shared_ptr<const ServedModel>, std::shared_ptr<const Language>)>;
  /// Calls `found` when the model is there; what it throws is answered.
  void with_model(const Exchange& exchange, const std::string& name, Found found);
  void chat(const Exchange& exchange, ChatRequest request, std::string_view id_prefix,
            std::unique_ptr<AnswerWriter> writer);

  Models& models_;
  std::shared_ptr<Relay> relay_;
};

AnswerHead make_head(std::string_view id_prefix, const ServedModel& model, const Exchange& exchange) {
  AnswerHead head;
  head.id = random_id(id_prefix);
  head.created =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  head.model = model.name;
  head.request_id = exchange.request_id;
  return head;
}

void Api::with_model(const Exchange& exchange, const std::string& name, Found found) {
  models_.acquire(name, [exchange, found = std::move(found)](Acquired acquired) {
    if (acquired.model == nullptr) {
      send_error(*exchange.responder, exchange.dialect, acquired.error, exchange.request_id);
      return;
    }
    guarded(exchange, [&] {
      std::shared_ptr<const Language> language = acquired.model->language;
      if (language == nullptr) language = language_of(acquired.model->model);
      found(acquired.model, std::move(language));
    });
  });
}

void Api::chat(const Exchange& exchange, ChatRequest request, std::string_view id_prefix,
               std::unique_ptr<AnswerWriter> writer) {
  const std::string name = request.model;
  // std::function must be copyable, and a writer is not.
  auto held = std::make_shared<std::unique_ptr<AnswerWriter>>(std::move(writer));
  with_model(exchange, name,
             [exchange, request = std::move(request), id_prefix, held, relay = relay_](
                 std::shared_ptr<const ServedModel> model, std::shared_ptr<const Language> language) {
               ChatPrompt prompt = make_chat_prompt(*language, request);
               AnswerOrder order;
               order.head = make_head(id_prefix, *model, exchange);
               order.model = std::move(model);
               order.language = std::move(language);
               order.prompts.push_back({std::move(prompt.tokens), std::move(prompt.syntax)});
               order.options = request.options;
               order.options.format = std::move(prompt.format);
               order.client = exchange.client;
               start_answers(std::move(order), std::move(*held), exchange.responder, relay);
             });
}

void Api::chat_completions(const Exchange& exchange, const Json& body) {
  ChatRequest request = parse_openai_chat_request(body);
  std::unique_ptr<AnswerWriter> writer;
  if (request.stream) {
    writer = make_chat_stream(exchange.responder, request.options.n, request.include_usage,
                              request.options.top_logprobs.has_value());
  } else {
    writer = std::make_unique<WholeWriter>(exchange.responder, exchange.dialect, chat_completion);
  }
  chat(exchange, std::move(request), "chatcmpl-", std::move(writer));
}

void Api::responses(const Exchange& exchange, const Json& body) {
  ResponsesRequest request = parse_openai_responses(body);
  const bool stream = request.chat.stream;
  chat(exchange, std::move(request.chat), "resp_",
       make_responses_writer(exchange.responder, std::move(request.echo), stream));
}

void Api::messages(const Exchange& exchange, const Json& body) {
  ChatRequest request = parse_anthropic_request(body);
  std::unique_ptr<AnswerWriter> writer;
  if (request.stream) {
    writer = make_anthropic_stream(exchange.responder);
  } else {
    writer = std::make_unique<WholeWriter>(exchange.responder, exchange.dialect, anthropic_message,
                                           kToolUsePrefix);
  }
  chat(exchange, std::move(request), "msg_", std::move(writer));
}

void Api::count_tokens(const Exchange& exchange, const Json& body) {
  ChatRequest request = parse_anthropic_request(body, true);
  const std::string name = request.model;
  with_model(exchange, name,
             [exchange, request = std::move(request)](const std::shared_ptr<const ServedModel>&,
                                                      const std::shared_ptr<const Language>& language) {
               const size_t tokens = make_chat_prompt(*language, request).tokens.size();
               exchange.responder->send(200, dump_json({{"input_tokens", tokens}}));
             });
}

void Api::completions(const Exchange& exchange, const Json& body) {
  CompletionsRequest request = parse_openai_completions(body);
  std::unique_ptr<AnswerWriter> writer;
  if (request.stream) {
    writer = make_completions_stream(exchange.responder, request.include_usage,
                                     request.prompts.size() * request.options.n);
  } else {
    writer = std::make_unique<WholeWriter>(exchange.responder, exchange.dialect, text_completion);
  }
  auto held = std::make_shared<std::unique_ptr<AnswerWriter>>(std::move(writer));
  const std::string name = request.model;
  with_model(exchange, name,
             [exchange, request = std::move(request), held, relay = relay_](
                 std::shared_ptr<const ServedModel> model, std::shared_ptr<const Language> language) {
               AnswerOrder order;
               for (const auto& prompt : request.prompts) {
                 AnswerPrompt read;
                 const std::string* text = std::get_if<std::string>(&prompt);
                 read.tokens = prompt_tokens(*language, prompt, "prompt");
                 check_prompt_length(*language, read.tokens.size(), "prompt");
                 read.syntax.reasoning = false;
                 if (request.echo) {
                   if (text != nullptr) {
                     read.syntax.begun = *text;
                   } else {
                     for (const Token token : read.tokens) read.syntax.begun += language->piece(token);
                   }
                 }
                 order.prompts.push_back(std::move(read));
               }
               order.head = make_head("cmpl-", *model, exchange);
               order.model = std::move(model);
               order.language = std::move(language);
               order.options = request.options;
               order.client = exchange.client;
               start_answers(std::move(order), std::move(*held), exchange.responder, relay);
             });
}

/// Tokens of each input. Errors: RequestError 400, which names the input.
std::vector<std::vector<Token>> embedding_inputs(const Language& language, const EmbeddingsRequest& request) {
  std::vector<std::vector<Token>> inputs;
  for (const PromptText& text : request.inputs) {
    const std::string path =
        request.inputs.size() == 1 ? std::string("input") : element_path("input", inputs.size());
    if (std::visit([](const auto& of) { return of.empty(); }, text)) {
      refuse(path, fmt::format("'{}' is empty", path));
    }
    inputs.push_back(prompt_tokens(language, text, path));
    if (inputs.back().size() > language.context()) {
      refuse(path,
             fmt::format("'{}' has {} tokens, and the context holds {}: send less", path,
                         inputs.back().size(), language.context()),
             "context_length_exceeded");
    }
    if (inputs.back().empty()) refuse(path, fmt::format("'{}' has no tokens", path));
  }
  return inputs;
}

void Api::embeddings(const Exchange& exchange, const Json& body) {
  EmbeddingsRequest request = parse_openai_embeddings(body);
  const std::string name = request.model;
  with_model(
      exchange, name,
      [exchange, request = std::move(request), relay = relay_](
          std::shared_ptr<const ServedModel> model, const std::shared_ptr<const Language>& language) {
        const std::optional<Pooling> pooling = language->pooling();
        if (!pooling) {
          refuse("model",
                 "this model is one that ranks texts, and says of no pooling that makes embeddings: serve it "
                 "with --pooling",
                 "unsupported_model");
        }
        const uint32_t width = language->width();
        if (request.dimensions > width) {
          refuse("dimensions",
                 fmt::format("'dimensions' must be {} at most, which is what the model has", width));
        }
        const uint64_t numbers =
            uint64_t{request.dimensions > 0 ? request.dimensions : width} * request.inputs.size();
        if (numbers > kMaxNumbers) {
          refuse("input", fmt::format("the answer would hold {} numbers, and may hold {}: send fewer inputs",
                                      numbers, kMaxNumbers));
        }
        EmbeddingOrder order;
        order.inputs = embedding_inputs(*language, request);
        order.model = std::move(model);
        order.pooling = *pooling;
        order.dimensions = request.dimensions;
        order.base64 = request.base64;
        order.client = exchange.client;
        order.user = request.user;
        order.request_id = exchange.request_id;
        start_embeddings(std::move(order), exchange.responder, relay);
      });
}

}  // namespace

Routes api_routes(Models& models) {
  const auto api = std::make_shared<Api>(models);
  const auto route = [&](const char* path, Dialect dialect, Api::Endpoint endpoint) {
    return Route{"POST", path, api->handler(dialect, endpoint)};
  };
  return {route("/v1/chat/completions", Dialect::kOpenAi, &Api::chat_completions),
          route("/v1/completions", Dialect::kOpenAi, &Api::completions),
          route("/v1/responses", Dialect::kOpenAi, &Api::responses),
          route("/v1/embeddings", Dialect::kOpenAi, &Api::embeddings),
          route("/v1/messages", Dialect::kAnthropic, &Api::messages),
          route("/v1/messages/count_tokens", Dialect::kAnthropic, &Api::count_tokens)};
}

}  // namespace caldera::server

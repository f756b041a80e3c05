// Thousands of requests to every endpoint with bodies that are wrong in some way: in structure, in types, in
// numbers, in encoding. Each is answered, and the server stays well.
#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "server/api_routes.hpp"
#include "server/core_routes.hpp"
#include "server/fake_model.hpp"
#include "server/test_server.hpp"

namespace caldera::test {
namespace {

using Json = nlohmann::ordered_json;
using Random = std::mt19937;

/// Answers "ok" to everything, one after the other, on one thread.
class PlainService : public Service {
 public:
  PlainService() : thread_([this] { run(); }) {}
  ~PlainService() override {
    {
      const std::scoped_lock lock(mutex_);
      ended_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  Admission submit(CompletionRequest request, std::shared_ptr<CompletionListener> listener) override {
    const std::scoped_lock lock(mutex_);
    waiting_.emplace_back(std::move(request), std::move(listener));
    changed_.notify_all();
    return {++last_, {}};
  }
  void cancel(uint64_t) override {}
  ServiceStatus status() const override { return {}; }
  void drain(std::chrono::milliseconds) override {}
  uint64_t answered() const { return answered_; }

 private:
  void run() {
    for (;;) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return ended_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      const auto [request, listener] = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      CompletionChunk chunk{"ok", {'o', 'k'}, {}};
      if (request.top_logprobs) chunk.choices.assign(2, TokenChoice{{'o', -1}, {}});
      listener->on_chunk(std::move(chunk));
      ++answered_;
      listener->on_end(
          {.prompt_tokens = static_cast<uint32_t>(request.prompt.size()), .completion_tokens = 2});
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<CompletionRequest, std::shared_ptr<CompletionListener>>> waiting_;
  uint64_t last_ = 0;
  bool ended_ = false;
  std::atomic<uint64_t> answered_{0};
  std::thread thread_;
};

struct Seed {
  const char* path;
  const char* body;
};

constexpr Seed kSeeds[] = {
    {"/v1/chat/completions",
     R"({"model":"fake","messages":[{"role":"system","content":"be brief"},{"role":"user","content":[{"type":"text","text":"hi"}]},)"
     R"({"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]},)"
     R"({"role":"tool","tool_call_id":"c1","content":"7"}],"tools":[{"type":"function","function":{"name":"f","description":"d",)"
     R"("parameters":{"type":"object","properties":{"a":{"type":"string"}}}}}],"tool_choice":"auto","temperature":0.5,"top_p":0.9,)"
     R"("n":1,"seed":1,"stop":["x","y"],"max_tokens":5,"presence_penalty":0.1,"logprobs":true,"top_logprobs":2,)"
     R"("stream":true,"stream_options":{"include_usage":true},"user":"me"})"},
    {"/v1/chat/completions",
     R"({"model":"fake","messages":[{"role":"user","content":"hi"}],"response_format":{"type":"json_schema","json_schema":)"
     R"({"name":"n","schema":{"type":"object","properties":{"a":{"type":"integer"}}}}},"chat_template_kwargs":{"a":1},)"
     R"("reasoning_effort":"low","top_k":4,"min_p":0.1,"repeat_penalty":1.1,"ignore_eos":false,"logit_bias":{}})"},
    {"/v1/completions",
     R"({"model":"fake","prompt":["a","b"],"max_tokens":4,"echo":true,"logprobs":2,"n":1,"best_of":1,"suffix":null,"stream":false,"stop":"z"})"},
    {"/v1/completions",
     R"({"model":"fake","prompt":[1,2,3],"temperature":0,"guided_regex":"a+","stream":true})"},
    {"/v1/responses",
     R"({"model":"fake","input":[{"role":"user","content":[{"type":"input_text","text":"hi"}]},{"type":"function_call","call_id":"c","name":"f",)"
     R"("arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"1"}],"instructions":"x","tools":[{"type":"function",)"
     R"("name":"f","parameters":{}}],"text":{"format":{"type":"text"}},"reasoning":{"effort":"low"},"stream":true,"store":false})"},
    {"/v1/messages",
     R"({"model":"fake","max_tokens":8,"system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":"hi"},)"
     R"({"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{"a":1}}]},{"role":"user","content":)"
     R"([{"type":"tool_result","tool_use_id":"t","content":"2"}]}],"tools":[{"name":"f","input_schema":{"type":"object"}}],)"
     R"("tool_choice":{"type":"auto"},"thinking":{"type":"disabled"},"stop_sequences":["q"],"metadata":{"user_id":"u"},"stream":true})"},
    {"/v1/messages/count_tokens",
     R"({"model":"fake","messages":[{"role":"user","content":"hi"}],"system":"s"})"},
    {"/v1/embeddings", R"({"model":"fake","input":["a","b"],"encoding_format":"float","dimensions":4})"},
};

/// Text that stands where a value or a part of a string stood.
const std::string kPieces[] = {
    "null",
    "true",
    "-1",
    "0.5",
    "1e999",
    "-1e999",
    "1e-999",
    "18446744073709551616",
    "9223372036854775808",
    "4294967296",
    "-2147483649",
    "0x10",
    "01",
    "+1",
    ".5",
    "NaN",
    "Infinity",
    "\"\"",
    "[]",
    "{}",
    "[null]",
    "{\"\":{}}",
    "\"\\ud800\"",
    "\"\\udc00\\ud800\"",
    "\"\\u0000\"",
    "\"\\u00\"",
    "\"\\x\"",
    "\"\xc0\xaf\"",
    "\"\xed\xa0\x80\"",
    "\"\xf5\x80\x80\x80\"",
    "\"\xe2\x82\"",
    "\"\x01\"",
    std::string("\"\0\"", 3),
    std::string("\0", 1),
    "\xef\xbb\xbf",
    "'a'",
    "/* c */",
    ",",
    ":",
    "\"",
    "\\",
    "}{",
    "\"model\":1,\"model\":2",
    "\"messages\":[],",
    "<script>",
    std::string(70, '['),
    std::string(20'000, '['),
    std::string(3000, '{'),
    "\"" + std::string(5000, 'x') + "\"",
    std::string(400, '9'),
};

/// Values that are valid JSON, and mostly of the wrong type.
Json odd_value(Random& random) {
  switch (random() % 12) {
    case 0:
      return nullptr;
    case 1:
      return random() % 2 == 0;
    case 2:
      return static_cast<int64_t>(random()) * -2147483648;
    case 3:
      return 1e308;
    case 4:
      return 0.1 * static_cast<double>(random());
    case 5:
      return "";
    case 6:
      return "\xf0\x9f\x98\x80 \x01";
    case 7:
      return Json::array();
    case 8:
      return Json::object();
    case 9:
      return Json::array({Json::array({nullptr}), Json::object()});
    case 10: {
      Json deep = 1;
      for (size_t i = random() % 100; i > 0; --i) deep = i % 2 == 0 ? Json::array({deep}) : Json{{"a", deep}};
      return deep;
    }
    default:
      return std::string(random() % 10'000, 'a');
  }
}

/// A value somewhere in `root`.
Json& any_node(Json& root, Random& random) {
  Json* node = &root;
  while (node->is_structured() && !node->empty() && random() % 5 != 0) {
    auto member = node->begin();
    std::advance(member, random() % node->size());
    node = &*member;
  }
  return *node;
}

void change_structure(Json& root, Random& random) {
  Json& node = any_node(root, random);
  switch (random() % 4) {
    case 0:
      if (node.is_structured() && !node.empty()) {
        auto member = node.begin();
        std::advance(member, random() % node.size());
        node.erase(member);
        break;
      }
      [[fallthrough]];
    case 1: {
      const Json other = any_node(root, random);  // a copy: it may hold the node
      node = other;
      break;
    }
    default:
      node = odd_value(random);
  }
}

void change_text(std::string& text, Random& random) {
  const size_t at = text.empty() ? 0 : random() % text.size();
  switch (random() % 6) {
    case 0:
      text.insert(at, kPieces[random() % std::size(kPieces)]);
      break;
    case 1: {  // in the place of a value
      const size_t colon = text.find(':', at);
      if (colon == std::string::npos) break;
      const size_t end = text.find_first_of(",}]", colon);
      text.replace(colon + 1, (end == std::string::npos ? text.size() : end) - colon - 1,
                   kPieces[random() % std::size(kPieces)]);
      break;
    }
    case 2:  // the same key twice
      if (const size_t brace = text.find('{', at); brace != std::string::npos)
        text.insert(brace + 1, "\"messages\":\"x\",\"stream\":1,");
      break;
    case 3:
      text.resize(at);
      break;
    case 4:
      if (!text.empty()) text[at] = static_cast<char>(random());
      break;
    default: {  // another encoding: UTF-16, which JSON between machines may not be
      std::string wide;
      for (const char c : text) wide.append({c, '\0'});
      text = std::move(wide);
    }
  }
}

std::string malformed_request(Random& random) {
  const Seed& seed = kSeeds[random() % std::size(kSeeds)];
  std::string body = seed.body;
  const size_t kind = random() % 3;
  if (kind != 0) {
    Json root = Json::parse(body);
    for (size_t i = 1 + random() % 3; i > 0; --i) change_structure(root, random);
    body = root.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  if (kind != 1) {
    for (size_t i = 1 + random() % 3; i > 0; --i) change_text(body, random);
  }
  constexpr const char* kTypes[] = {
      "Content-Type: application/json\r\n",
      "",
      "Content-Type: application/json; charset=utf-16\r\n",
      "Content-Type: text/plain\r\n",
      "Content-Type: multipart/form-data; boundary=x\r\n",
      "anthropic-version: 2023-06-01\r\nContent-Type: application/json\r\n",
  };
  return post(seed.path, body, kTypes[random() % 8 < 6 ? 0 : random() % std::size(kTypes)]);
}

TEST(Malformed, BodiesAreAnsweredEach) {
  const auto service = std::make_shared<PlainService>();
  server::FixedModels models({{"fake", nullptr, service, std::make_shared<server::FakeLanguage>()}});
  server::Metrics metrics;
  server::RequestLog log(server::LogFormat::kNone);
  server::ServerOptions options;
  options.port = 0;
  server::HttpServer http(options, metrics, log);
  http.start(server::api_routes(models));

  Random random(11);
  constexpr int kRequests = 6000;
  constexpr size_t kTogether = 20;
  std::vector<std::unique_ptr<HttpClient>> clients(kTogether);
  const auto connect = [&](std::unique_ptr<HttpClient>& client) {
    client = std::make_unique<HttpClient>(http.port());
  };
  for (auto& client : clients) connect(client);
  std::map<int, int> statuses;
  for (int done = 0; done < kRequests; done += kTogether) {
    std::vector<std::string> requests;
    for (auto& client : clients) {
      requests.push_back(malformed_request(random));
      if (client->send(requests.back())) continue;
      connect(client);  // it was closed with the answer to what came before
      ASSERT_TRUE(client->send(requests.back()));
    }
    for (size_t i = 0; i < kTogether; ++i) {
      HttpAnswer answer = clients[i]->answer(std::chrono::seconds(20));
      if (answer.status == 0 && clients[i]->closed(milliseconds(1))) {
        connect(clients[i]);
        answer = clients[i]->ask(requests[i]);
      }
      ASSERT_NE(answer.status, 0) << "no answer to " << requests[i];
      EXPECT_NE(answer.status, 500) << requests[i] << "\n" << answer.body;
      ++statuses[answer.status];
    }
  }
  EXPECT_GT(statuses[200], kRequests / 20) << "some are good all the same";
  EXPECT_GT(statuses[400], kRequests / 4);
  EXPECT_TRUE(eventually([&] { return metrics.requests_now == 0; }));
  const HttpAnswer good = HttpClient(http.port())
                              .ask(post("/v1/chat/completions",
                                        R"({"model":"fake","messages":[{"role":"user","content":"hi"}]})"));
  EXPECT_EQ(good.status, 200);
  EXPECT_NE(good.body.find("\"ok\""), std::string::npos);
  EXPECT_TRUE(eventually([&] { return metrics.requests_now == 0; }));
  http.stop_accepting();
  http.stop(std::chrono::seconds(5));
}

}  // namespace
}  // namespace caldera::test

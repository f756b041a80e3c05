// POST /v1/embeddings, with fakes for the model, the service and the connection. The expected shapes are
// those of https://platform.openai.com/docs/api-reference/embeddings.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>

#include "server/api_routes.hpp"
#include "server/fake_model.hpp"
#include "server/fake_responder.hpp"
#include "server/openai_embeddings.hpp"

namespace caldera::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// Ends requests when it is told to, the oldest first, and takes `most` at once.
class HeldService : public Service {
 public:
  explicit HeldService(size_t most) : most_(most) {}
  Admission submit(CompletionRequest request, std::shared_ptr<CompletionListener> listener) override {
    const std::scoped_lock lock(mutex_);
    changed_.notify_all();
    ++asked_;
    if (held_.size() >= most_) return {0, std::chrono::seconds(3)};
    held_.emplace_back(std::move(request), std::move(listener));
    most_held_ = std::max(most_held_, held_.size());
    return {++last_, {}};
  }
  void cancel(uint64_t id) override {
    const std::scoped_lock lock(mutex_);
    cancelled_.push_back(id);
    changed_.notify_all();
  }
  ServiceStatus status() const override { return {}; }
  void drain(std::chrono::milliseconds) override {}

  /// Waits for a request, and ends it with its first token as its embedding.
  void end_one() {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, std::chrono::seconds(60), [&] { return !held_.empty(); }));
    auto [request, listener] = std::move(held_.front());
    held_.pop_front();
    lock.unlock();
    CompletionEnd end;
    end.embedding = {static_cast<float>(request.prompt[0]), 0};
    listener->on_end(end);
  }
  bool wait_for_cancelled(size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(60), [&] { return cancelled_.size() >= count; });
  }
  bool wait_for_asked(size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(60), [&] { return asked_ >= count; });
  }
  size_t most_held() const {
    const std::scoped_lock lock(mutex_);
    return most_held_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<CompletionRequest, std::shared_ptr<CompletionListener>>> held_;
  std::vector<uint64_t> cancelled_;
  size_t most_;
  size_t most_held_ = 0;
  size_t asked_ = 0;
  uint64_t last_ = 0;
};

class Embeddings : public testing::Test {
 protected:
  static std::shared_ptr<FakeResponder> begin(const Routes& routes, const Json& body) {
    auto responder = std::make_shared<FakeResponder>();
    for (const Route& route : routes) {
      if (route.path != "/v1/embeddings") continue;
      Request request;
      request.method = "POST";
      request.path = route.path;
      request.body = body.dump();
      request.client = "key";
      route.handler(std::move(request), responder);
    }
    return responder;
  }
  Json ask(Json body) const {
    if (!body.contains("model")) body["model"] = "fake";
    const auto responder = begin(routes_, body);
    EXPECT_TRUE(responder->wait());
    Json answer = responder->json();
    answer["status"] = responder->status();
    return answer;
  }
  /// The error to `body`.
  Json refused(const Json& body, int status = 400) const {
    Json answer = ask(body);
    EXPECT_EQ(answer["status"], status) << answer.dump();
    return answer["error"];
  }
  static Routes routes_of(const std::shared_ptr<Service>& service) {
    static std::vector<std::unique_ptr<FixedModels>> kept;
    kept.push_back(std::make_unique<FixedModels>(
        std::vector<ServedModel>{{"fake", nullptr, service, std::make_shared<FakeLanguage>()}}));
    return api_routes(*kept.back());
  }

  FakeModel fake_;
  FixedModels models_{fake_.served()};
  Routes routes_ = api_routes(models_);
};

TEST_F(Embeddings, OfOneText) {
  EXPECT_EQ(ask({{"input", "aaabbbb"}}).dump(),
            R"({"object":"list","data":[{"object":"embedding","index":0,)"
            R"("embedding":[0,0.6,0.8,0,0,0,0,0]}],"model":"fake",)"
            R"("usage":{"prompt_tokens":7,"total_tokens":7},"status":200})");
  const auto requests = fake_.service->requests();
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0].pooling, Pooling::kMean);
  EXPECT_EQ(requests[0].client, "key");
}

TEST_F(Embeddings, OfManyTextsAndTokens) {
  const Json texts = ask({{"input", {"a", "bb", "ccc", "h"}}, {"user", "bob"}});
  ASSERT_EQ(texts["data"].size(), 4U);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(texts["data"][i]["index"], i);
    EXPECT_EQ(texts["data"][i]["embedding"][(i + 1) % 4], 1.0) << i;  // 'h' is 104
  }
  EXPECT_EQ(texts["usage"]["total_tokens"], 7);
  EXPECT_EQ(fake_.service->requests()[3].client + "/" + fake_.service->requests()[3].user, "key/bob");
  EXPECT_EQ(ask({{"input", {97, 97}}})["data"][0]["embedding"][1], 1.0);
  const Json tokens = ask({{"input", {{97, 97}, {98}}}});
  EXPECT_EQ(tokens["data"][1]["embedding"][2], 1.0);
}

TEST_F(Embeddings, ShorterAndInBase64) {
  EXPECT_EQ(ask({{"input", "aaabbbb"}, {"dimensions", 2}})["data"][0]["embedding"].dump(), "[0,1]");
  EXPECT_EQ(ask({{"input", "a"}, {"dimensions", 8}})["data"][0]["embedding"].size(), 8U);
  // 0, 1 as little-endian f32: 00 00 00 00 00 00 80 3f
  EXPECT_EQ(ask({{"input", "a"}, {"dimensions", 2}, {"encoding_format", "base64"}})["data"][0]["embedding"],
            "AAAAAAAAgD8=");
  EXPECT_EQ(embeddings_body("m", {{1}, {1, 0, 1}}, true, 3),
            R"({"object":"list","data":[{"object":"embedding","index":0,"embedding":"AACAPw=="},)"
            R"({"object":"embedding","index":1,"embedding":"AACAPwAAAAAAAIA/"}],"model":"m",)"
            R"("usage":{"prompt_tokens":3,"total_tokens":3}})");
  EXPECT_THAT(shortened({3, 4, 12}, 2), ElementsAre(0.6F, 0.8F));
  EXPECT_THAT(shortened({0, 0, 1}, 2), ElementsAre(0, 0));
}

TEST_F(Embeddings, RefusesWhatMakesNoSense) {
  EXPECT_EQ(refused({{"input", ""}})["param"], "input");
  EXPECT_EQ(refused({{"input", {"a", ""}}})["param"], "input[1]");
  EXPECT_EQ(refused({{"input", Json::array()}})["param"], "input");
  EXPECT_EQ(refused({{"input", Json::array({{1}, Json::array()})}})["param"], "input[1]");
  EXPECT_EQ(refused({{"input", {"a", 3}}})["param"], "input[1]");
  EXPECT_EQ(refused({{"input", {300}}})["param"], "input");
  EXPECT_EQ(refused({{"input", 3}})["param"], "input");
  EXPECT_EQ(refused({{"user", "x"}})["param"], "input");
  EXPECT_EQ(refused({{"input", "a"}, {"dimensions", 9}})["param"], "dimensions");
  EXPECT_EQ(refused({{"input", "a"}, {"dimensions", 0}})["param"], "dimensions");
  EXPECT_EQ(refused({{"input", "a"}, {"encoding_format", "int8"}})["param"], "encoding_format");
  EXPECT_EQ(refused({{"input", "a"}, {"model", "none"}}, 404)["code"], "model_not_found");
  const Json longer = refused({{"input", {"a", std::string(4097, 'x')}}});
  EXPECT_EQ(longer["code"], "context_length_exceeded");
  EXPECT_EQ(longer["param"], "input[1]");
  EXPECT_THAT(longer["message"].get<std::string>(), HasSubstr("4097 tokens"));
  EXPECT_EQ(ask({{"input", std::string(4096, 'x')}})["status"], 200);
  const Json many = refused({{"input", std::vector<std::string>(2049, "a")}});
  EXPECT_THAT(many["message"].get<std::string>(), HasSubstr("2048"));
  EXPECT_EQ(refused({{"input", "FULL"}}, 429)["code"], "rate_limit_exceeded");
  EXPECT_EQ(refused({{"input", "FAIL"}}, 503)["code"], "out_of_memory");
}

TEST_F(Embeddings, TakeOneAfterTheOther) {
  for (const size_t most : {size_t{1}, size_t{100}}) {
    const auto service = std::make_shared<HeldService>(most);
    const Routes routes = routes_of(service);
    const auto answer = begin(routes, {{"model", "fake"}, {"input", {{5}, {0}, {7}, {9}, {1}}}});
    ASSERT_TRUE(service->wait_for_asked(2)) << "the first one may not end before the second is asked for";
    for (int i = 0; i < 5; ++i) service->end_one();
    ASSERT_TRUE(answer->wait());
    EXPECT_EQ(answer->status(), 200);
    EXPECT_EQ(answer->json()["data"][3]["embedding"][0], 9.0);
    EXPECT_EQ(service->most_held(), std::min<size_t>(most, 2)) << "the rest waits outside the queue";
  }
}

TEST_F(Embeddings, EndWithTheirClient) {
  const auto service = std::make_shared<HeldService>(100);
  const Routes routes = routes_of(service);
  const auto answer = begin(routes, {{"model", "fake"}, {"input", {{1}, {2}, {3}}}});
  ASSERT_TRUE(service->wait_for_asked(2));
  answer->close();
  EXPECT_TRUE(service->wait_for_cancelled(2));
  service->end_one();
  service->end_one();
  EXPECT_EQ(service->most_held(), 2U);
}

}  // namespace
}  // namespace caldera::server

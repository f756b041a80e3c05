// What every client may expect of the front: routes, errors, connections that are kept.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "server/test_server.hpp"

namespace caldera::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

TEST(Http, AnswersWithTheBodyAndItsLength) {
  TestServer server;
  const HttpAnswer answer = server.client().ask(get("/hello?x=1"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "hello");
  EXPECT_EQ(answer.headers.at("content-type"), "text/plain");
  EXPECT_EQ(answer.headers.at("connection"), "keep-alive");
  EXPECT_THAT(answer.headers.at("x-request-id"), HasSubstr("req_"));
}

TEST(Http, AnswersHeadWithoutTheBody) {
  TestServer server;
  HttpClient client = server.client();
  client.send("HEAD /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const HttpAnswer answer = client.answer(milliseconds(5000), true);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.at("content-length"), "5");
  EXPECT_EQ(client.ask(get("/hello")).body, "hello");
}

TEST(Http, KeepsConnectionsForAnyNumberOfRequests) {
  TestServer server;
  HttpClient client = server.client();
  for (int i = 0; i < 100; ++i) {
    const std::string body(static_cast<size_t>(i) * 37, 'x');
    EXPECT_EQ(client.ask(post("/echo", body)).body, body);
  }
  EXPECT_EQ(server.metrics.accepted, 1u);
}

TEST(Http, EndsConnectionsThatDoNotWantToBeKept) {
  TestServer server;
  HttpClient one = server.client();
  EXPECT_EQ(one.ask(get("/hello", "Connection: close\r\n")).headers.at("connection"), "close");
  EXPECT_TRUE(one.closed());
  HttpClient old = server.client();
  EXPECT_EQ(old.ask("GET /hello HTTP/1.0\r\n\r\n").body, "hello");
  EXPECT_TRUE(old.closed());
}

TEST(Http, AnswersRequestsSentAheadInTheirOrder) {
  TestServer server;
  HttpClient client = server.client();
  std::string all;
  for (int i = 0; i < 50; ++i) all += post("/echo", std::to_string(i));
  client.send(all);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(client.answer().body, std::to_string(i));
}

TEST(Http, ReadsChunkedBodies) {
  TestServer server;
  HttpClient client = server.client();
  const HttpAnswer answer = client.ask(
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n4;note=x\r\ndefg\r\n0\r\n\r\n");
  EXPECT_EQ(answer.body, "abcdefg");
  EXPECT_EQ(client.ask(get("/hello")).status, 200);
}

TEST(Http, InvitesBodiesThatWaitToBeInvited) {
  TestServer server;
  HttpClient client = server.client();
  client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_THAT(client.read_until("\r\n\r\n"), HasSubstr("HTTP/1.1 100 Continue"));
  client.send("abc");
  EXPECT_THAT(client.read_until("abc"), HasSubstr("HTTP/1.1 200 OK"));
}

TEST(Http, FindsRoutesByMethodAndPath) {
  TestServer server;
  HttpClient client = server.client();
  EXPECT_EQ(client.ask(post("/echo/a%20b/c", "")).body, "a b/c");
  const HttpAnswer missing = client.ask(get("/nothing"));
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(json::parse(missing.body)["error"]["type"], "invalid_request_error");
  const HttpAnswer wrong = client.ask(get("/echo"));
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.headers.at("allow"), "POST");
  EXPECT_EQ(client.ask("DELETE /hello HTTP/1.1\r\nHost: localhost\r\n\r\n").headers.at("allow"), "GET, HEAD");
  EXPECT_EQ(client.ask("BREW /hello HTTP/1.1\r\nHost: localhost\r\n\r\n").status, 405);
}

TEST(Http, ReachesNoFiles) {
  TestServer server;
  for (const char* path : {"/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/./hello"}) {
    EXPECT_EQ(server.client().ask(get(path)).status, 404) << path;
  }
}

TEST(Http, MakesAnswersOfWhatHandlersThrow) {
  TestServer server;
  HttpClient client = server.client();
  EXPECT_EQ(client.ask(get("/throw/usage")).status, 400);
  const json context = json::parse(client.ask(get("/throw/context")).body);
  EXPECT_EQ(context["error"]["code"], "context_length_exceeded");
  EXPECT_EQ(context["error"]["message"], "too long");
  EXPECT_EQ(client.ask(get("/throw/memory")).status, 503);
  EXPECT_EQ(client.ask(get("/throw/any")).status, 500);
  EXPECT_EQ(client.ask(get("/forget")).status, 500);
  EXPECT_EQ(client.ask(get("/hello")).status, 200);
}

TEST(Http, SpeaksAnthropicsErrorsOnItsPath) {
  TestServer server;
  const HttpAnswer wrong = server.client().ask(get("/v1/messages"));
  EXPECT_EQ(wrong.status, 405);
  const json body = json::parse(wrong.body);
  EXPECT_EQ(body["type"], "error");
  EXPECT_EQ(body["error"]["type"], "invalid_request_error");
  EXPECT_EQ(body["request_id"], wrong.headers.at("x-request-id"));
}

TEST(Http, AnswersFromAnyThreadLater) {
  TestServer server;
  HttpClient client = server.client();
  client.send(get("/hold"));
  const auto held = server.take_held();
  ASSERT_TRUE(held);
  held->send(200, "later");
  held->send(200, "too late");
  EXPECT_EQ(client.answer().body, "later");
  EXPECT_EQ(client.ask(get("/hello")).body, "hello");
}

TEST(Http, WritesNoHeadersThatAValueTriesToAdd) {
  TestServer server;
  HttpClient client = server.client();
  const HttpAnswer answer = client.ask(post("/echo/x%0d%0aEvil:%201", ""));
  EXPECT_EQ(answer.status, 400);  // control characters in a path
  EXPECT_FALSE(answer.headers.contains("evil"));
}

TEST(Http, CountsWhatItDoes) {
  TestServer server;
  {
    HttpClient client = server.client();
    client.ask(get("/hello"));
    client.ask(get("/secret-path"));
  }
  EXPECT_TRUE(eventually([&] { return server.metrics.connections == 0; }));
  const std::string text = server.metrics.text();
  EXPECT_THAT(text, HasSubstr("caldera_http_requests_total{route=\"/hello\",status=\"200\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("caldera_http_requests_total{route=\"none\",status=\"404\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("caldera_http_request_seconds_bucket{route=\"/hello\",le=\"+Inf\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("caldera_http_connections 0\n"));
  EXPECT_THAT(text, testing::Not(HasSubstr("secret")));
}

}  // namespace
}  // namespace caldera::test

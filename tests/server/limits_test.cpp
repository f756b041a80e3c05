// What a client can take of the server: bytes, time, connections.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "server/test_server.hpp"

namespace caldera::test {
namespace {

using server::ServerOptions;
using testing::HasSubstr;

TEST(Limits, RefusesHugeHeaders) {
  TestServer server;
  HttpClient client = server.client();
  client.send("GET /hello HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(40'000, 'x'));
  EXPECT_EQ(client.answer().status, 431);
  HttpClient endless = server.client();
  endless.send("GET /" + std::string(40'000, 'x'));
  EXPECT_EQ(endless.answer().status, 431);
}

TEST(Limits, RefusesBodiesBeforeTheyCome) {
  ServerOptions options;
  options.limits.body_bytes = 1000;
  TestServer server(options);
  EXPECT_EQ(server.client().ask(post("/echo", std::string(1000, 'x'))).status, 200);
  HttpClient announced = server.client();
  announced.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\n\r\n");
  const HttpAnswer answer = announced.answer();
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.headers.at("connection"), "close");
  EXPECT_EQ(server.client()
                .ask("POST /echo HTTP/1.1\r\nHost: localhost\r\n"
                     "Content-Length: 99999999999999999999999\r\n\r\n")
                .status,
            400);
}

TEST(Limits, RefusesChunksBeyondTheLimit) {
  ServerOptions options;
  options.limits.body_bytes = 1000;
  TestServer server(options);
  HttpClient client = server.client();
  client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 11; ++i) client.send("64\r\n" + std::string(100, 'x') + "\r\n");
  EXPECT_EQ(client.answer().status, 413);
  HttpClient extension = server.client();
  extension.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;" +
                 std::string(100'000, 'x'));
  EXPECT_THAT(extension.answer().status, testing::AnyOf(400, 413, 431));
}

TEST(Limits, LetsARefusalArriveThoughTheBodyIsStillOnItsWay) {
  ServerOptions options;
  options.limits.body_bytes = 1000;
  TestServer server(options);
  HttpClient client = server.client();
  client.send(post("/echo", std::string(5'000'000, 'x')));
  EXPECT_EQ(client.answer().status, 413);
}

TEST(Limits, BoundsAllBodiesTogether) {
  ServerOptions options;
  options.limits.all_bodies_bytes = 1'000'000;
  TestServer server(options);
  HttpClient one = server.client();
  one.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900001\r\n\r\n" +
           std::string(900'000, 'x'));
  EXPECT_TRUE(eventually([&] { return server.metrics.bytes_in > 900'000; }));
  const HttpAnswer answer = server.client().ask(post("/echo", std::string(200'000, 'x')));
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.headers.at("retry-after"), "1");
  one.send("x");
  EXPECT_EQ(one.answer().status, 200);
  EXPECT_TRUE(eventually(
      [&] { return server.client().ask(post("/echo", std::string(200'000, 'x'))).status == 200; }));
}

TEST(Limits, EndsSlowSenders) {
  ServerOptions options;
  options.limits.header_time = milliseconds(150);
  options.limits.body_time = milliseconds(150);
  TestServer server(options);
  HttpClient headers = server.client();
  HttpClient body = server.client();
  body.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n");
  headers.send("GET /hello HTTP/1.1\r\nHost: local");
  for (int i = 0; i < 10; ++i) {
    headers.send("x");
    body.send("x");
    std::this_thread::sleep_for(milliseconds(30));
  }
  EXPECT_EQ(headers.answer().status, 408);
  EXPECT_EQ(body.answer().status, 408);
  EXPECT_EQ(server.metrics.timeouts, 2u);
}

TEST(Limits, ClosesIdleConnections) {
  ServerOptions options;
  options.limits.idle_time = milliseconds(100);
  TestServer server(options);
  HttpClient silent = server.client();
  HttpClient kept = server.client();
  EXPECT_EQ(kept.ask(get("/hello")).status, 200);
  EXPECT_TRUE(silent.closed());
  EXPECT_EQ(silent.read_until(""), "");
  EXPECT_TRUE(kept.closed());
}

TEST(Limits, ClosesHalfClosedConnections) {
  TestServer server;
  HttpClient client = server.client();
  client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc");
  client.finish_sending();
  EXPECT_TRUE(client.closed());
  EXPECT_TRUE(eventually([&] { return server.metrics.connections == 0; }));
}

TEST(Limits, EndsAnswersThatTakeTooLong) {
  ServerOptions options;
  options.limits.request_time = milliseconds(100);
  TestServer server(options);
  HttpClient client = server.client();
  client.send(get("/hold"));
  const auto held = server.take_held();
  ASSERT_TRUE(held);
  std::atomic<bool> told = false;
  held->on_closed([&] { told = true; });
  EXPECT_EQ(client.answer().status, 504);
  EXPECT_TRUE(told);
  held->send(200, "too late");
  EXPECT_EQ(client.ask(get("/hello")).body, "hello");
}

TEST(Limits, Holds300IdleConnectionsAndServesOthers) {
  ServerOptions options;
  options.limits.connections_per_address = 400;
  TestServer server(options);
  std::vector<HttpClient> idle;
  for (int i = 0; i < 300; ++i) idle.push_back(server.client());
  EXPECT_TRUE(eventually([&] { return server.metrics.connections == 300; }));
  EXPECT_EQ(server.client().ask(get("/hello")).body, "hello");
  EXPECT_EQ(idle.front().ask(get("/hello")).body, "hello");
  EXPECT_EQ(idle.back().ask(get("/hello")).body, "hello");
}

TEST(Limits, ClosesTheLongestIdleConnectionToMakeRoom) {
  ServerOptions options;
  options.limits.connections = 4;
  TestServer server(options);
  std::vector<HttpClient> idle;
  for (int i = 0; i < 4; ++i) {
    idle.push_back(server.client());
    EXPECT_EQ(idle.back().ask(get("/hello")).status, 200);
    // A client may have its answer before the server is done with it, and the connection idle.
    EXPECT_TRUE(eventually([&] { return server.metrics.requests_now == 0; }));
  }
  EXPECT_EQ(server.client().ask(get("/hello")).status, 200);
  EXPECT_TRUE(idle[0].closed());
  EXPECT_EQ(idle[3].ask(get("/hello")).status, 200);
}

TEST(Limits, RefusesConnectionsWhereAllAreBusy) {
  ServerOptions options;
  options.limits.connections_per_address = 2;
  TestServer server(options);
  HttpClient one = server.client();
  HttpClient two = server.client();
  // In turn: requests of two connections may come to their handlers in any order.
  one.send(get("/hold"));
  const auto first = server.take_held();
  two.send(get("/hold"));
  const auto second = server.take_held();
  ASSERT_TRUE(first && second);
  const HttpAnswer refused = server.client().answer();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(nlohmann::json::parse(refused.body)["error"]["message"], "too many connections");
  first->send(200, "one");
  EXPECT_EQ(one.answer().body, "one");
  EXPECT_TRUE(eventually([&] { return server.metrics.requests_now == 1; }));
  EXPECT_EQ(server.client().ask(get("/hello")).status, 200);
  second->send(200, "two");
}

TEST(Limits, DropsThoseWhoSendWithoutEndAheadOfAnAnswer) {
  TestServer server;
  HttpClient client = server.client();
  client.send(get("/hold"));
  const auto held = server.take_held();
  ASSERT_TRUE(held);
  const std::string more = get("/hello");
  bool open = true;
  for (int i = 0; i < 100'000 && open; ++i) open = client.send(more);
  EXPECT_FALSE(open);
  EXPECT_TRUE(eventually([&] { return held->closed(); }));
}

}  // namespace
}  // namespace caldera::test

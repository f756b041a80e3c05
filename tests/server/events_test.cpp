// Streams of events, and clients that stop reading them or go.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "server/answer.hpp"
#include "server/test_server.hpp"

namespace caldera::test {
namespace {

using server::ServerOptions;
using testing::HasSubstr;

TEST(Events, AreFramedAsTheStandardSays) {
  EXPECT_EQ(server::format_event("{}", ""), "data: {}\n\n");
  EXPECT_EQ(server::format_event("{}", "ping"), "event: ping\ndata: {}\n\n");
  EXPECT_EQ(server::format_event("a\nb\r\nc\rd\n", ""), "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n");
}

TEST(Events, ArriveAsTheyAreSentAndTheConnectionIsKept) {
  TestServer server;
  HttpClient client = server.client();
  client.send(get("/hold"));
  const auto held = server.take_held();
  ASSERT_TRUE(held);
  held->begin_events({{"x-more", "yes"}});
  EXPECT_THAT(client.read_until("\r\n\r\n"), HasSubstr("text/event-stream"));
  EXPECT_TRUE(held->event("one"));
  EXPECT_THAT(client.read_until("one\n\n"), HasSubstr("data: one\n\n"));
  EXPECT_TRUE(held->event("two", "named"));
  held->end();
  EXPECT_FALSE(held->event("three"));
  const HttpAnswer answer = client.answer();
  EXPECT_EQ(answer.body, "data: one\n\nevent: named\ndata: two\n\n");
  EXPECT_EQ(answer.headers.at("x-more"), "yes");
  EXPECT_EQ(client.ask(get("/hello")).body, "hello");
}

TEST(Events, EndWithTheConnectionForOldClients) {
  TestServer server;
  HttpClient client = server.client();
  client.send("GET /hold HTTP/1.0\r\n\r\n");
  const auto held = server.take_held();
  ASSERT_TRUE(held);
  held->begin_events();
  held->event("one");
  held->end();
  EXPECT_EQ(client.answer().body, "data: one\n\n");
  EXPECT_TRUE(client.closed());
}

TEST(Events, HoldCommentsWhereNothingHappens) {
  ServerOptions options;
  options.limits.ping_time = milliseconds(50);
  TestServer server(options);
  HttpClient client = server.client();
  client.send(get("/hold"));
  const auto held = server.take_held();
  ASSERT_TRUE(held);
  held->begin_events();
  EXPECT_THAT(client.read_until(": ping\n\n"), HasSubstr(": ping\n\n"));
}

TEST(Events, EndWhenTheirSourceLetsGo) {
  TestServer server;
  HttpClient client = server.client();
  client.send(get("/hold"));
  auto held = server.take_held();
  ASSERT_TRUE(held);
  held->begin_events();
  held->event("one");
  held.reset();
  EXPECT_EQ(client.answer().body, "data: one\n\n");
}

class Gone : public testing::TestWithParam<const char*> {};

TEST_P(Gone, IsNoticedWithinASecond) {
  const std::string how = GetParam();
  TestServer server;
  HttpClient client = server.client();
  client.send(get("/hold"));
  const auto held = server.take_held();
  ASSERT_TRUE(held);
  std::atomic<bool> told = false;
  held->on_closed([&] { told = true; });
  if (how.find("stream") != std::string::npos) {
    held->begin_events();
    held->event("one");
    client.read_until("one");
  }
  EXPECT_FALSE(told);
  if (how.starts_with("reset")) {
    client.reset();
  } else {
    client.close();
  }
  EXPECT_TRUE(eventually([&] { return told.load(); }, milliseconds(1000)));
  EXPECT_TRUE(held->closed());
  EXPECT_FALSE(held->event("two"));
  held->send(200, "nobody");
  bool at_once = false;
  held->on_closed([&] { at_once = true; });
  EXPECT_TRUE(at_once);
  EXPECT_TRUE(eventually([&] { return server.metrics.gone_clients == 1; }));
}

INSTANTIATE_TEST_SUITE_P(All, Gone, testing::Values("close", "reset", "close stream", "reset stream"));

TEST(Events, DropClientsThatDoNotRead) {
  ServerOptions options;
  options.limits.unread_bytes = 100'000;
  TestServer server(options);
  HttpClient client(server.port(), 4096);
  client.send(get("/hold"));
  const auto held = server.take_held();
  ASSERT_TRUE(held);
  std::atomic<bool> told = false;
  held->on_closed([&] { told = true; });
  held->begin_events();
  const std::string data(10'000, 'x');
  size_t sent = 0;
  while (sent < 20'000'000 && held->event(data)) {
    sent += data.size();
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  EXPECT_LT(sent, 5'000'000u);
  EXPECT_TRUE(told);
  EXPECT_TRUE(
      eventually([&] { return server.metrics.dropped_clients == 1 && server.metrics.connections == 0; }));
}

TEST(Events, DropClientsThatStoppedReadingInTheMiddle) {
  ServerOptions options;
  options.limits.write_time = milliseconds(200);
  TestServer server(options);
  HttpClient client(server.port(), 4096);
  client.send(get("/hold"));
  const auto held = server.take_held();
  ASSERT_TRUE(held);
  held->send(200, std::string(20'000'000, 'x'));
  EXPECT_TRUE(
      eventually([&] { return server.metrics.dropped_clients == 1 && server.metrics.connections == 0; }));
}

TEST(Events, OfManyClientsGoToEachItsOwn) {
  TestServer server;
  constexpr int kClients = 40;
  std::vector<HttpClient> clients;
  std::vector<std::shared_ptr<server::Responder>> held;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(server.client());
    clients.back().send(get("/hold"));
    held.push_back(server.take_held());
    ASSERT_TRUE(held.back());
    held.back()->begin_events();
  }
  for (int event = 0; event < 50; ++event) {
    for (int i = 0; i < kClients; ++i) held[i]->event(std::to_string(i * 1000 + event));
  }
  for (int i = 0; i < kClients; ++i) {
    held[i]->end();
    std::string expected;
    for (int event = 0; event < 50; ++event) expected += "data: " + std::to_string(i * 1000 + event) + "\n\n";
    EXPECT_EQ(clients[i].answer().body, expected);
  }
}

}  // namespace
}  // namespace caldera::test

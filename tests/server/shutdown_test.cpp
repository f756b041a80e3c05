// The end of a server: what is under way is finished, and nothing else begins.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "caldera/error.hpp"
#include "server/test_server.hpp"

namespace caldera::test {
namespace {

TEST(Shutdown, FinishesAnswersAndAcceptsNothingNew) {
  TestServer server;
  HttpClient idle = server.client();
  EXPECT_EQ(idle.ask(get("/hello")).status, 200);
  HttpClient busy = server.client();
  busy.send(get("/hold"));
  const auto held = server.take_held();
  ASSERT_TRUE(held);
  held->begin_events();
  HttpClient late = server.client();
  const std::string begun = "GET /hello HTTP/1.1\r\n";
  late.send(begun);
  const size_t sent = get("/hello").size() + get("/hold").size() + begun.size();
  EXPECT_TRUE(eventually([&] { return server.metrics.bytes_in == sent; }));

  server.server.stop_accepting();
  EXPECT_TRUE(idle.closed());
  EXPECT_THROW(server.client(), std::runtime_error);
  late.send("Host: localhost\r\n\r\n");
  EXPECT_EQ(late.answer().status, 503);
  held->event("last words");
  held->end();
  EXPECT_EQ(busy.answer().body, "data: last words\n\n");
  EXPECT_TRUE(busy.closed());
  busy.close();
  late.close();
  server.server.stop(milliseconds(5000));
  EXPECT_EQ(server.metrics.connections, 0);
}

TEST(Shutdown, EndsThoseThatDoNotEnd) {
  TestServer server;
  HttpClient busy = server.client();
  busy.send(get("/hold"));
  const auto held = server.take_held();
  ASSERT_TRUE(held);
  std::atomic<bool> told = false;
  held->on_closed([&] { told = true; });
  server.server.stop_accepting();
  const auto begin = std::chrono::steady_clock::now();
  server.server.stop(milliseconds(100));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
  EXPECT_TRUE(told);
  EXPECT_TRUE(busy.closed());
}

TEST(Shutdown, LeavesNothingToAnswersThatComeLater) {
  std::shared_ptr<server::Responder> held;
  {
    TestServer server;
    HttpClient client = server.client();
    client.send(get("/hold"));
    held = server.take_held();
    ASSERT_TRUE(held);
  }
  held->send(200, "nobody is there");
  EXPECT_TRUE(held->closed());
}

TEST(Shutdown, RefusesAPortThatIsTaken) {
  TestServer server;
  server::ServerOptions options;
  options.port = server.port();
  server::HttpServer second(options, server.metrics, server.log);
  EXPECT_THROW(second.bind(), Error);
}

}  // namespace
}  // namespace caldera::test

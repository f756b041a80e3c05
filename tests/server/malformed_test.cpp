// Thousands of broken requests: the server answers or closes, and stays well.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <thread>

#include "server/test_server.hpp"

namespace caldera::test {
namespace {

const char* const kSeeds[] = {
    "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
    "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "POST /echo/a%20b HTTP/1.1\r\nHost: [::1]:80\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
    "OPTIONS * HTTP/1.1\r\nHost: localhost\r\nOrigin: http://x\r\nAccess-Control-Request-Method: GET\r\n\r\n",
    "GET http://localhost/hello?a=%41&b HTTP/1.1\r\nHost: localhost\r\nX-Folded: a\r\n b\r\n\r\n",
};
const std::string kHuge = "X-Huge: " + std::string(20'000, 'x') + "\r\n";  // more than headers may be
const char* const kPieces[] = {
    "\r\n",
    "\n",
    "\r",
    "\r\n\r\n",
    "\x7f",
    " ",
    "\t",
    ":",
    "%",
    "%zz",
    "%00",
    "/..",
    "HTTP/1.1",
    "HTTP/9.9",
    "HTTP/2.0",
    "Content-Length: 18446744073709551616\r\n",
    "Content-Length: -1\r\n",
    "Content-Length: 5\r\nContent-Length: 6\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Content-Encoding: gzip\r\n",
    "ffffffffffffffff\r\n",
    "0\r\n\r\n",
    "-1\r\n",
    "Expect: 100-continue\r\n",
    "Upgrade: h2c\r\nConnection: upgrade\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "\x16\x03\x01\x02\x00\x01",
    "\xff\xfe",
    "\xc0\xaf",
    "Host: other\r\n",
    "Authorization: Bearer\r\n",
    kHuge.c_str(),
};

std::string mutated(std::mt19937& random) {
  std::string text = kSeeds[random() % std::size(kSeeds)];
  const size_t changes = 1 + random() % 5;
  for (size_t i = 0; i < changes && !text.empty(); ++i) {
    const size_t at = random() % text.size();
    switch (random() % 6) {
      case 0:
        text[at] = static_cast<char>(random());
        break;
      case 1:
        text.insert(at, kPieces[random() % std::size(kPieces)]);
        break;
      case 2:
        text.erase(at, 1 + random() % 12);
        break;
      case 3:
        text.insert(at, text.substr(random() % text.size(), random() % 64));
        break;
      case 4:
        text.resize(at);
        break;
      default:
        text.insert(at, 1 + random() % 300, static_cast<char>(random()));
    }
  }
  return text;
}

TEST(Malformed, RequestsNeitherBreakNorStickTheServer) {
  server::ServerOptions options;
  options.limits.header_time = milliseconds(100);
  options.limits.body_time = milliseconds(100);
  options.limits.idle_time = milliseconds(100);
  options.limits.connections_per_address = 500;
  TestServer server(options);
  std::mt19937 random(6);
  constexpr int kRequests = 4000;
  constexpr int kTogether = 400;
  for (int done = 0; done < kRequests; done += kTogether) {
    std::vector<HttpClient> clients;
    for (int i = 0; i < kTogether; ++i) {
      clients.push_back(server.client());
      clients.back().send(mutated(random));
      if (random() % 4 == 0) clients.back().finish_sending();
    }
    // Those that got an answer, or were closed, may go; a few wait for their time limit.
    for (int i = 0; i < kTogether; i += 20) {
      EXPECT_TRUE(clients[i].closed(milliseconds(3000))) << "a connection is stuck";
    }
    ASSERT_EQ(server.client().ask(get("/hello")).body, "hello") << "after " << done;
  }
  EXPECT_TRUE(eventually([&] { return server.metrics.connections == 0; }));
  EXPECT_EQ(server.metrics.requests_now, 0);
}

TEST(Malformed, RequestsInSinglePiecesAreRead) {
  TestServer server;
  for (const char* seed : {kSeeds[1], kSeeds[2]}) {
    HttpClient client = server.client();
    for (const char* at = seed; *at != '\0'; ++at) {
      client.send(std::string_view(at, 1));
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    EXPECT_EQ(client.answer().body, "hello");
  }
}

TEST(Malformed, RequestsAreToldWhatIsWrong) {
  TestServer server;
  const auto status = [&](std::string_view text) { return server.client().ask(text).status; };
  EXPECT_EQ(status("GET /hello HTTP/1.1\r\n\r\n"), 400);  // no Host
  EXPECT_EQ(status("GET /hello HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n"), 400);
  EXPECT_EQ(status("GET /hello HTTP/2.0\r\nHost: localhost\r\n\r\n"), 505);
  EXPECT_EQ(status("GET hello HTTP/1.1\r\nHost: localhost\r\n\r\n"), 400);
  EXPECT_EQ(status("GET /%0 HTTP/1.1\r\nHost: localhost\r\n\r\n"), 400);
  EXPECT_EQ(status("GET /%00 HTTP/1.1\r\nHost: localhost\r\n\r\n"), 400);
  EXPECT_EQ(status("garbage\r\n\r\n"), 400);
  EXPECT_EQ(status("POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n"), 501);
  EXPECT_EQ(
      status("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n"),
      415);
  EXPECT_EQ(
      status("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"),
      400);
  EXPECT_EQ(status("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: "
                   "chunked\r\n\r\nx"),
            400);
}

}  // namespace
}  // namespace caldera::test

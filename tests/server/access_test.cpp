// Who may ask: keys, hosts, origins, addresses.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "caldera/error.hpp"
#include "server/test_server.hpp"

namespace caldera::test {
namespace {

using server::ServerOptions;

ServerOptions with_keys() {
  ServerOptions options;
  options.keys = {server::checked_key("alice", "secret-of-alice"),
                  server::checked_key("bob", "secret-of-bob")};
  return options;
}

TEST(Access, AsksForAKeyAndNamesItsHolder) {
  TestServer server(with_keys());
  HttpClient client = server.client();
  EXPECT_EQ(client.ask(post("/echo", "", "Authorization: Bearer secret-of-bob\r\n")).headers.at("x-client"),
            "bob");
  EXPECT_EQ(client.ask(post("/echo", "", "x-api-key: secret-of-alice\r\n")).headers.at("x-client"), "alice");
  EXPECT_EQ(client.ask(get("/hello")).status, 200);  // the page and /health are for everybody
}

TEST(Access, RefusesEveryOtherKey) {
  TestServer server(with_keys());
  for (const char* header : {"", "Authorization: Bearer secret-of-bo\r\n", "Authorization: Bearer \r\n",
                             "Authorization: Bearer secret-of-bobb\r\n", "Authorization: secret-of-bob\r\n",
                             "Authorization: Basic secret-of-bob\r\n", "x-api-key:\r\n"}) {
    const HttpAnswer answer = server.client().ask(post("/echo", "body", header));
    EXPECT_EQ(answer.status, 401) << header;
    EXPECT_EQ(answer.headers.at("www-authenticate"), "Bearer");
    EXPECT_EQ(nlohmann::json::parse(answer.body)["error"]["code"], "invalid_api_key");
  }
}

TEST(Access, ReadsNoBodyOfThoseItDoesNotKnow) {
  TestServer server(with_keys());
  HttpClient client = server.client();
  client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
  EXPECT_EQ(client.answer().status, 401);
}

TEST(Access, ComparesKeysWhole) {
  using server::equal_in_constant_time;
  EXPECT_TRUE(equal_in_constant_time("abcd", "abcd"));
  EXPECT_FALSE(equal_in_constant_time("abcd", "abcdabcd"));
  EXPECT_FALSE(equal_in_constant_time("abcd", "abc"));
  EXPECT_FALSE(equal_in_constant_time("abcd", ""));
  EXPECT_FALSE(equal_in_constant_time("", ""));
}

TEST(Access, ReadsKeysFromAFile) {
  const auto path = std::filesystem::temp_directory_path() / fmt::format("caldera-keys-{}", ::getpid());
  std::ofstream(path) << "# for the team\n\nfirst-secret\ncarol  second-secret\n";
  const std::vector<server::ApiKey> keys = server::read_keys(path);
  ASSERT_EQ(keys.size(), 2u);
  EXPECT_EQ(keys[0].client, "key-1");
  EXPECT_EQ(keys[0].secret, "first-secret");
  EXPECT_EQ(keys[1].client, "carol");
  EXPECT_EQ(keys[1].secret, "second-secret");
  std::ofstream(path) << "short\n";
  EXPECT_THROW(server::read_keys(path), Error);
  std::filesystem::remove(path);
  EXPECT_THROW(server::read_keys(path), Error);
}

TEST(Access, OpensToOthersOnlyWhenTold) {
  ServerOptions options;
  for (const char* address : {"0.0.0.0", "::", "192.168.1.5"}) {
    options.address = address;
    EXPECT_THROW(check(options), Error) << address;
  }
  options.open_without_key = true;
  check(options);
  ServerOptions keyed = with_keys();
  keyed.address = "0.0.0.0";
  check(keyed);
  for (const char* address : {"127.0.0.1", "127.3.2.1", "::1", "localhost"}) {
    options = {};
    options.address = address;
    check(options);
  }
  options.address = "example.com";
  EXPECT_THROW(check(options), Error);
}

TEST(Access, AnswersForNoOtherHost) {
  ServerOptions options;
  options.hosts = {"box.lan"};
  TestServer server(options);
  const auto status = [&](const char* host) {
    return server.client().ask(fmt::format("GET /hello HTTP/1.1\r\nHost: {}\r\n\r\n", host)).status;
  };
  EXPECT_EQ(status("127.0.0.1:8080"), 200);
  EXPECT_EQ(status("[::1]:80"), 200);
  EXPECT_EQ(status("BOX.lan:1"), 200);
  EXPECT_EQ(status("attacker.example"), 421);
  EXPECT_EQ(status("localhost.attacker.example"), 421);
}

TEST(Access, LetsNoPageOfOthersAsk) {
  TestServer server;
  HttpClient client = server.client();
  EXPECT_EQ(client.ask(get("/hello", "Origin: http://localhost\r\n")).status, 200);
  EXPECT_EQ(client.ask(get("/hello", "Origin: http://attacker.example\r\n")).status, 403);
  EXPECT_EQ(client.ask(get("/hello", "Origin: null\r\n")).status, 403);
  EXPECT_FALSE(client.ask(get("/hello")).headers.contains("access-control-allow-origin"));
}

TEST(Access, LetsPagesAskThatWereNamed) {
  ServerOptions options = with_keys();
  options.cors_origins = {"https://chat.example"};
  TestServer server(options);
  HttpClient client = server.client();
  const HttpAnswer preflight = client.ask(
      "OPTIONS /echo HTTP/1.1\r\nHost: localhost\r\nOrigin: https://chat.example\r\n"
      "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n\r\n");
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.headers.at("access-control-allow-origin"), "https://chat.example");
  EXPECT_EQ(preflight.headers.at("access-control-allow-headers"), "authorization");
  EXPECT_EQ(
      client.ask(get("/hello", "Origin: https://chat.example\r\n")).headers.at("access-control-allow-origin"),
      "https://chat.example");
  EXPECT_EQ(client.ask(get("/hello", "Origin: https://other.example\r\n")).status, 403);
}

}  // namespace
}  // namespace caldera::test

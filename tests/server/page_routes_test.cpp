// The page as browsers get it.
#include "server/page_routes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/page_assets.hpp"
#include "server/test_server.hpp"

namespace caldera::test {
namespace {

using testing::HasSubstr;
using testing::Not;

struct PageServer {
  PageServer() { server.start(server::page_routes()); }

  static server::ServerOptions options() {
    server::ServerOptions options;
    options.port = 0;
    return options;
  }

  server::Metrics metrics;
  server::RequestLog log{server::LogFormat::kNone};
  server::HttpServer server{options(), metrics, log};
};

TEST(Page, IsServedWithEveryFileThatItNames) {
  PageServer server;
  HttpClient client(server.server.port());
  const HttpAnswer page = client.ask(get("/"));
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.headers.at("content-type"), "text/html; charset=utf-8");
  for (size_t at = 0; (at = page.body.find("=\"/", at)) != std::string::npos; ++at) {
    const std::string path = page.body.substr(at + 2, page.body.find('"', at + 2) - at - 2);
    EXPECT_EQ(client.ask(get(path)).status, 200) << path;
  }
  EXPECT_EQ(client.ask(get("/app.js")).headers.at("content-type"), "text/javascript; charset=utf-8");
  EXPECT_EQ(client.ask(get("/style.css")).headers.at("content-type"), "text/css; charset=utf-8");
  EXPECT_EQ(client.ask(get("/icon.svg")).headers.at("content-type"), "image/svg+xml");
}

TEST(Page, RunsNothingThatIsNotTheServersOwn) {
  PageServer server;
  HttpClient client(server.server.port());
  const HttpAnswer page = client.ask(get("/"));
  const std::string& policy = page.headers.at("content-security-policy");
  EXPECT_THAT(policy, HasSubstr("default-src 'none'"));
  EXPECT_THAT(policy, HasSubstr("frame-ancestors 'none'"));
  EXPECT_THAT(policy, Not(HasSubstr("unsafe")));
  EXPECT_EQ(page.headers.at("x-content-type-options"), "nosniff");
  EXPECT_THAT(page.body, Not(HasSubstr("<script>")));
  for (const server::PageAsset& asset : server::page_assets()) {
    EXPECT_THAT(asset.body, Not(HasSubstr("innerHTML"))) << asset.path;
    EXPECT_THAT(asset.body, Not(HasSubstr("eval("))) << asset.path;
  }
}

TEST(Page, IsNotSentAgainToABrowserThatHasIt) {
  PageServer server;
  HttpClient client(server.server.port());
  const HttpAnswer first = client.ask(get("/app.js"));
  EXPECT_EQ(first.headers.at("cache-control"), "no-cache");
  const std::string etag = first.headers.at("etag");
  client.send(get("/app.js", "If-None-Match: W/" + etag + ", \"other\"\r\n"));
  const HttpAnswer again = client.answer(milliseconds(5000), true);
  EXPECT_EQ(again.status, 304);
  EXPECT_EQ(again.headers.at("etag"), etag);
  EXPECT_EQ(client.ask(get("/app.js", "If-None-Match: \"other\"\r\n")).body, first.body);
}

TEST(Page, LeadsToNoOtherFile) {
  PageServer server;
  HttpClient client(server.server.port());
  for (const char* path :
       {"/package.json", "/index.html", "/../page_routes.cpp", "/%2e%2e/style.css", "//app.js"}) {
    EXPECT_NE(client.ask(get(path)).status, 200) << path;
  }
}

}  // namespace
}  // namespace caldera::test

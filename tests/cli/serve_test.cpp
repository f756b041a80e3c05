// caldera serve as people run it: options, signals, readiness; the engine is the tests' own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cli/fake/models.hpp"
#include "cli/process.hpp"
#include "cli/served.hpp"
#include "machine/recorded_tree.hpp"
#include "server/http_client.hpp"

namespace caldera::test {
namespace {

using testing::HasSubstr;

const std::string kProgram = CALDERA_PROGRAM;

TEST(Serve, AnswersUntilItIsToldToStop) {
  const TemporaryFolder folder;
  Served served({fake_model(folder), "--port", "0", "--name", "small"});
  EXPECT_EQ(served.ask(get("/health")).body, "{\"status\":\"ok\"}\n");
  const auto models = nlohmann::json::parse(served.ask(get("/v1/models")).body);
  EXPECT_EQ(models["object"], "list");
  EXPECT_EQ(models["data"][0]["id"], "small");
  EXPECT_EQ(nlohmann::json::parse(served.ask(get("/v1/models/small")).body)["object"], "model");
  EXPECT_EQ(served.ask(get("/v1/models/large")).status, 404);
  const auto status = nlohmann::json::parse(served.ask(get("/v1/status")).body);
  EXPECT_EQ(status["models"][0]["state"], "loaded");
  EXPECT_EQ(status["models"][0]["service"]["slots"], 4);
  const std::string metrics = served.ask(get("/metrics")).body;
  EXPECT_THAT(metrics, HasSubstr("caldera_model_loaded{model=\"small\"} 1\n"));
  EXPECT_THAT(metrics, HasSubstr("caldera_slots{model=\"small\"} 4\n"));
  EXPECT_THAT(served.ask(get("/")).headers.at("content-type"), HasSubstr("text/html"));
  EXPECT_TRUE(served.terminal().expect("GET /health 200"));
  EXPECT_EQ(served.stop(SIGTERM), 0);
}

TEST(Serve, TellsWhatSensorsSay) {
  const TemporaryFolder folder;
  const RecordedTree tree("strix-halo-sensors");
  Served served(
      {fake_model(folder), "--port", "0", "--sensors-root", tree.root().string(), "--max-temperature", "90"});
  const auto machine = nlohmann::json::parse(served.ask(get("/v1/status")).body)["machine"];
  EXPECT_EQ(machine["temperature_celsius"], 71.0);
  EXPECT_EQ(machine["temperatures_celsius"]["cpu Tctl"], 74.25);
  EXPECT_EQ(machine["power_watts"], 119.076);
  EXPECT_EQ(machine["clock_mhz"], 2884.0);
  EXPECT_GE(machine["energy_joules"], 0.0);
  EXPECT_EQ(machine["max_temperature_celsius"], 90.0);
  EXPECT_EQ(machine["rested_seconds"], 0.0);
  const std::string metrics = served.ask(get("/metrics")).body;
  EXPECT_THAT(metrics, HasSubstr("caldera_temperature_celsius{sensor=\"gpu edge\"} 71\n"));
  EXPECT_THAT(metrics, HasSubstr("caldera_power_watts{sensor=\"gpu PPT\"} 119.076\n"));
  EXPECT_THAT(metrics, HasSubstr("caldera_clock_hertz{sensor=\"gpu sclk\"} 2884000000\n"));
  EXPECT_THAT(metrics, HasSubstr("# TYPE caldera_energy_joules_total counter\n"));
  EXPECT_THAT(metrics, HasSubstr("caldera_rested_seconds_total 0\n"));
  EXPECT_EQ(served.stop(SIGTERM), 0);
}

TEST(Serve, IsSilentWhereNoSensorSays) {
  const TemporaryFolder folder;
  Served served({fake_model(folder), "--port", "0", "--sensors-root", folder.string()});
  EXPECT_EQ(nlohmann::json::parse(served.ask(get("/v1/status")).body)["machine"], nlohmann::json::object());
  EXPECT_THAT(served.ask(get("/metrics")).body, testing::Not(HasSubstr("temperature")));
  EXPECT_EQ(served.stop(SIGTERM), 0);
}

TEST(Serve, LoadsModelsOfTheFolderWhenTheyAreAskedFor) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "owner/repo");
  write_file(folder / "one.gguf", "fake\n");
  write_file(folder / "owner/repo/two-Q4_0.gguf", "fake\n");
  Served served({"--port", "0"}, {{"CALDERA_MODELS", folder.string()}});
  const auto states = [&] {
    std::map<std::string, std::string> found;
    const auto status = nlohmann::json::parse(served.ask(get("/v1/status")).body);
    for (const auto& model : status["models"]) {
      found[model["name"]] = model["state"];
    }
    return found;
  };
  EXPECT_EQ(states(),
            (std::map<std::string, std::string>{{"one", "available"}, {"owner/repo:Q4_0", "available"}}));
  const auto shown = nlohmann::json::parse(served.ask(get("/v1/models/owner/repo:Q4_0")).body);
  EXPECT_GT(shown["created"], 0);
  EXPECT_EQ(served.ask(post("/v1/completions", R"({"model": "../one", "prompt": "Hi"})")).status, 404);
  const auto counted = served.ask(post(
      "/v1/messages/count_tokens",
      R"({"model": "owner/repo:Q4_0", "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]})"));
  EXPECT_EQ(counted.status, 200) << counted.body;
  EXPECT_EQ(states()["owner/repo:Q4_0"], "loaded");
  EXPECT_EQ(states()["one"], "available");
  EXPECT_EQ(served.stop(SIGTERM), 0);
}

TEST(Serve, WithoutAnyModelThereIsNothingToServe) {
  const TemporaryFolder folder;
  const Result result =
      run(kProgram, {"serve", "--port", "0"}, {.environment = {{"CALDERA_MODELS", folder.string()}}});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("caldera pull fetches one"));
}

TEST(Serve, StopsOnCtrlC) {
  const TemporaryFolder folder;
  Served served({fake_model(folder), "--port", "0", "--log", "none"});
  EXPECT_EQ(served.stop(SIGINT), 0);
}

TEST(Serve, TakesOptionsFromAFile) {
  const TemporaryFolder folder;
  const auto config = folder / "serve.conf";
  write_file(config, "# a comment\nmodel = " + fake_model(folder) +
                         "\nport = 1\nname=from-file\nlog = json\nquiet\nkeep-kv = false\n"
                         "cors-origin = https://a.example\ncors-origin = https://b.example\n");
  Served served({"--config", config.string(), "--port", "0"}, {{"CALDERA_API_KEY", "secret-of-tests"}});
  EXPECT_EQ(served.ask(get("/v1/models")).status, 401);
  const std::string key = "Authorization: Bearer secret-of-tests\r\n";
  EXPECT_THAT(served.ask(get("/v1/models", key)).body, HasSubstr("from-file"));
  EXPECT_EQ(served.ask(get("/health", "Origin: https://b.example\r\n")).status, 200);
  EXPECT_TRUE(served.terminal().expect("\"event\":\"request\""));
  EXPECT_EQ(served.stop(SIGTERM), 0);
}

TEST(Serve, RefusesWhatIsWrongBeforeItLoads) {
  const TemporaryFolder folder;
  const std::string model = fake_model(folder, "fake slow-load");
  const auto config = folder / "serve.conf";
  const auto error = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"serve", model});
    const Result result = run(kProgram, arguments);
    EXPECT_EQ(result.code, 2) << result.err;
    return result.err;
  };
  EXPECT_THAT(error({"--host", "0.0.0.0"}), HasSubstr("--api-key-file"));
  EXPECT_THAT(error({"--api-key", "short"}), HasSubstr("needs 8"));
  EXPECT_THAT(error({"--port", "70000"}), HasSubstr("--port"));
  EXPECT_THAT(error({"--idle-timeout", "0"}), HasSubstr("--idle-timeout"));
  EXPECT_THAT(error({"--pooling", "sum"}), HasSubstr("--pooling"));
  EXPECT_THAT(error({"--name", "a", "--name", "b"}), HasSubstr("2 times for 1 models"));
  for (const auto& [text, part] :
       std::vector<std::pair<std::string, std::string>>{{"\nprot = 1\n", "line 2: there is no option 'prot'"},
                                                        {"port\n", "'port' needs a value"},
                                                        {"keep-kv = maybe\n", "true or false"},
                                                        {"config = other\n", "no option 'config'"},
                                                        {"log = xml\n", "line 1"}}) {
    write_file(config, text);
    EXPECT_THAT(error({"--config", config.string()}), HasSubstr(part));
  }
  Served first({fake_model(folder), "--port", "0"});
  EXPECT_THAT(error({"--port", std::to_string(first.port())}), HasSubstr("another --host or --port"));
  EXPECT_EQ(first.stop(SIGTERM), 0);
}

TEST(Serve, TellsTheServiceManager) {
  const TemporaryFolder folder;
  const std::string path = (folder / "notify").string();
  const int listener = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  {
    Served served({fake_model(folder), "--port", "0"}, {{"NOTIFY_SOCKET", path}});
    EXPECT_EQ(served.stop(SIGTERM), 0);
  }
  std::string told;
  char bytes[256];
  ssize_t count = 0;
  while ((count = recv(listener, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
    told.append(bytes, static_cast<size_t>(count)).append("|");
  }
  close(listener);
  EXPECT_THAT(told, testing::MatchesRegex("STATUS=loading model.READY=1.STATUS=listening on .*.STOPPING=1."));
}

}  // namespace
}  // namespace caldera::test

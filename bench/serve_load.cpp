// Asks a server with many clients at once, each streaming one answer, and prints how soon and how fast tokens
// come: for /v1/completions of any server that speaks OpenAI's dialect, with ignore_eos.
//
//   serve_load --port 8080 --clients 1,8,64 --prompt 512 --tokens 128
//
// One thread, plain sockets: at 20 000 tokens/s it takes a fifth of a core from the server beside it.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

struct Options {
  std::string host = "127.0.0.1";
  uint16_t port = 8080;
  std::string model;  ///< empty: the server's first
  std::string key;
  std::vector<uint32_t> clients{1, 8};
  uint32_t prompt = 64;  ///< tokens of each prompt, all different
  std::string text;      ///< instead
  uint32_t tokens = 64;  ///< of each answer
  uint32_t repeats = 1;
  double patience = 600;  ///< seconds
  bool json = false;
};

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what);
}

/// The body of a response as it comes: chunks of HTTP/1.1 put together.
class Dechunker {
 public:
  /// Adds what is new of the body to `body`; true when it is over.
  bool push(std::string_view bytes, std::string& body) {
    for (size_t at = 0; at < bytes.size();) {
      if (left_ > 0) {
        const size_t take = std::min(left_, bytes.size() - at);
        body.append(bytes.substr(at, take));
        at += take;
        left_ -= take;
        continue;
      }
      const char c = bytes[at++];
      if (c == '\r') continue;
      if (c != '\n') {
        line_ += c;
      } else if (!line_.empty()) {
        left_ = std::stoul(line_, nullptr, 16);
        line_.clear();
        if (left_ == 0) return true;
      }
    }
    return false;
  }

 private:
  size_t left_ = 0;   ///< of a chunk
  std::string line_;  ///< with the size of the next
};

/// A connection to the server over which `request` was sent. Errors: whatever fails.
int send_request(const Options& options, const std::string& request) {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(options.port);
  if (inet_pton(AF_INET, options.host.c_str(), &address.sin_addr) != 1) fail("--host must be an address");
  if (connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0)
    fail(fmt::format("cannot connect: {}", std::strerror(errno)));
  for (size_t sent = 0; sent < request.size();) {
    const ssize_t count = send(descriptor, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) fail(fmt::format("cannot send: {}", std::strerror(errno)));
    sent += static_cast<size_t>(count);
  }
  return descriptor;
}

/// The head of a request, but for its last line.
std::string head_of(const Options& options, std::string_view what) {
  std::string head =
      fmt::format("{} HTTP/1.1\r\nHost: {}:{}\r\nConnection: close\r\n", what, options.host, options.port);
  if (!options.key.empty()) head += fmt::format("Authorization: Bearer {}\r\n", options.key);
  return head;
}

/// What the server calls the first of its models.
std::string first_model(const Options& options) {
  const int descriptor = send_request(options, head_of(options, "GET /v1/models") + "\r\n");
  std::string answer;
  char bytes[4096];
  for (ssize_t count = 0; (count = recv(descriptor, bytes, sizeof(bytes), 0)) > 0;)
    answer.append(bytes, static_cast<size_t>(count));
  close(descriptor);
  const size_t begin = answer.find('{');
  if (begin == std::string::npos) fail("the server tells of no models");
  const Json models = Json::parse(answer.substr(begin, answer.rfind('}') + 1 - begin));
  return models["data"][0]["id"].get<std::string>();
}

/// One client: a request and its streamed answer.
class Client {
 public:
  Client(const Options& options, uint32_t number)
      : started_(Clock::now()), socket_(send_request(options, request_of(options, number))) {}
  ~Client() { close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  int descriptor() const { return socket_; }
  bool over() const { return over_; }
  const std::string& error() const { return error_; }
  uint32_t tokens() const { return tokens_; }
  Clock::time_point started() const { return started_; }
  const std::vector<Clock::time_point>& events() const { return events_; }  ///< that brought text

  void read() {
    char bytes[65536];
    const ssize_t count = recv(socket_, bytes, sizeof(bytes), 0);
    if (count <= 0) {
      over_ = true;
      if (error_.empty()) error_ = "the connection was closed";
      return;
    }
    std::string_view got(bytes, static_cast<size_t>(count));
    if (!head_done_) {
      head_ += got;
      const size_t end = head_.find("\r\n\r\n");
      if (end == std::string::npos) return;
      head_done_ = true;
      if (!head_.starts_with("HTTP/1.1 200")) {
        error_ = head_.substr(0, head_.find('\r'));
        over_ = true;
        return;
      }
      const std::string rest = head_.substr(end + 4);
      over_ = dechunker_.push(rest, body_);
    } else {
      over_ = dechunker_.push(got, body_);
    }
    take_events();
  }

 private:
  static std::string request_of(const Options& options, uint32_t number) {
    Json body;
    body["model"] = options.model;
    if (options.text.empty()) {
      // No client finds another's prompt in the prefix cache.
      std::minstd_rand random(number + 1);
      Json prompt = Json::array();
      for (uint32_t i = 0; i < options.prompt; ++i) prompt.push_back(1000 + random() % 8000);
      body["prompt"] = prompt;
    } else {
      body["prompt"] = options.text;
    }
    body["max_tokens"] = options.tokens;
    body["temperature"] = 0;
    body["ignore_eos"] = true;
    body["stream"] = true;
    body["stream_options"] = {{"include_usage", true}};
    const std::string text = body.dump();
    return fmt::format("{}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
                       head_of(options, "POST /v1/completions"), text.size(), text);
  }

  void take_events() {
    const Clock::time_point now = Clock::now();
    size_t begin = 0;
    for (size_t end = 0; (end = body_.find("\n\n", begin)) != std::string::npos; begin = end + 2) {
      const std::string_view event = std::string_view(body_).substr(begin, end - begin);
      constexpr std::string_view kText = R"("text":")";
      const size_t text = event.find(kText);
      if (text != std::string_view::npos && event[text + kText.size()] != '"') events_.push_back(now);
      if (event.find("\"completion_tokens\"") != std::string_view::npos) {
        const Json usage = Json::parse(event.substr(event.find('{')));
        tokens_ = usage["usage"]["completion_tokens"].get<uint32_t>();
      }
      if (event.find("\"error\"") != std::string_view::npos) error_ = event;
    }
    body_.erase(0, begin);
    if (over_ && tokens_ == 0 && error_.empty()) error_ = "the answer has no usage";
  }

  Clock::time_point started_;
  int socket_;
  bool head_done_ = false;
  std::string head_;
  Dechunker dechunker_;
  std::string body_;  ///< of events that are not whole yet
  std::vector<Clock::time_point> events_;
  uint32_t tokens_ = 0;
  bool over_ = false;
  std::string error_;
};

double seconds_between(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

/// Milliseconds that so many in a hundred are not above.
Json percentiles(std::vector<double> seconds) {
  Json result;
  std::ranges::sort(seconds);
  for (const int percent : {50, 95, 99}) {
    const size_t index = seconds.empty() ? 0 : (seconds.size() - 1) * static_cast<size_t>(percent) / 100;
    result[fmt::format("p{}", percent)] = seconds.empty() ? 0.0 : std::round(seconds[index] * 1e5) / 100;
  }
  return result;
}

/// What `count` clients find.
Json measure(const Options& options, uint32_t count, uint32_t round) {
  const Clock::time_point start = Clock::now();
  std::vector<std::unique_ptr<Client>> clients;
  for (uint32_t i = 0; i < count; ++i) clients.push_back(std::make_unique<Client>(options, round * 4096 + i));
  for (;;) {
    std::vector<pollfd> ready;
    std::vector<Client*> which;
    for (const auto& client : clients) {
      if (client->over()) continue;
      ready.push_back({client->descriptor(), POLLIN, 0});
      which.push_back(client.get());
    }
    if (ready.empty()) break;
    if (seconds_between(start, Clock::now()) > options.patience) fail("the answers take too long");
    poll(ready.data(), ready.size(), 1000);
    for (size_t i = 0; i < ready.size(); ++i) {
      if (ready[i].revents != 0) which[i]->read();
    }
  }

  const Clock::time_point end = Clock::now();
  std::vector<double> first;
  std::vector<double> gaps;
  uint64_t tokens = 0;
  uint32_t errors = 0;
  std::string error;
  Clock::time_point all_begun = start;
  Clock::time_point one_ended = end;
  for (const auto& client : clients) {
    if (!client->error().empty()) {
      ++errors;
      error = client->error();
    }
    tokens += client->tokens();
    const auto& events = client->events();
    if (events.empty()) continue;
    first.push_back(seconds_between(client->started(), events.front()));
    for (size_t i = 1; i < events.size(); ++i) gaps.push_back(seconds_between(events[i - 1], events[i]));
    all_begun = std::max(all_begun, events.front());
    one_ended = std::min(one_ended, events.back());
  }
  // While all of them stream, of the first that were drawn with the prompts none.
  uint64_t together = 0;
  for (const auto& client : clients) {
    together += static_cast<uint64_t>(std::ranges::count_if(
        client->events(), [&](Clock::time_point at) { return at > all_begun && at <= one_ended; }));
  }
  const double window = seconds_between(all_begun, one_ended);
  Json result;
  result["clients"] = count;
  result["prompt_tokens"] = options.prompt;
  result["answer_tokens"] = options.tokens;
  result["errors"] = errors;
  if (!error.empty()) result["error"] = error;
  result["tokens"] = tokens;
  result["seconds"] = seconds_between(start, end);
  result["tokens_per_second"] = static_cast<double>(tokens) / seconds_between(start, end);
  result["decode_tokens_per_second"] = window > 0 ? static_cast<double>(together) / window : 0.0;
  result["milliseconds_to_first_token"] = percentiles(first);
  result["milliseconds_between_tokens"] = percentiles(gaps);
  return result;
}

int run(const Options& options) {
  Json all = Json::array();
  if (!options.json) {
    fmt::print("{:>7} {:>6} {:>9} {:>9} | {:>28} | {:>26}\n", "clients", "errors", "tokens/s", "decoding",
               "ms to first: p50 p95 p99", "ms between: p50 p95 p99");
  }
  bool good = true;
  uint32_t round = 0;
  for (const uint32_t count : options.clients) {
    for (uint32_t i = 0; i < options.repeats; ++i) {
      const Json one = measure(options, count, ++round);
      good = good && one["errors"] == 0;
      if (one.contains("error")) fmt::print(stderr, "{}\n", one["error"].get<std::string>());
      const auto& first = one["milliseconds_to_first_token"];
      const auto& gap = one["milliseconds_between_tokens"];
      if (!options.json) {
        fmt::print("{:7} {:6} {:9.1f} {:9.1f} | {:9.1f} {:9.1f} {:8.1f} | {:8.2f} {:8.2f} {:8.2f}\n", count,
                   one["errors"].get<uint32_t>(), one["tokens_per_second"].get<double>(),
                   one["decode_tokens_per_second"].get<double>(), first["p50"].get<double>(),
                   first["p95"].get<double>(), first["p99"].get<double>(), gap["p50"].get<double>(),
                   gap["p95"].get<double>(), gap["p99"].get<double>());
      }
      all.push_back(one);
    }
  }
  if (options.json) fmt::print("{}\n", all.dump(2));
  return good ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Measures a server with many clients at once");
  app.add_option("--host", options.host, "The server's address")->capture_default_str();
  app.add_option("--port", options.port)->capture_default_str();
  app.add_option("--model", options.model, "The model to ask for (default: the server's first)");
  app.add_option("--key", options.key, "An API key");
  app.add_option("--clients", options.clients, "How many at once: several numbers are tests of their own")
      ->delimiter(',')
      ->check(CLI::Range(1, 4000))
      ->capture_default_str();
  app.add_option("--prompt", options.prompt, "Tokens of each prompt, all different")->capture_default_str();
  app.add_option("--text", options.text, "The same text for all instead");
  app.add_option("--tokens", options.tokens, "Tokens of each answer")->capture_default_str();
  app.add_option("--repeats", options.repeats)->capture_default_str();
  app.add_option("--patience", options.patience, "Seconds for one test")->capture_default_str();
  app.add_flag("--json", options.json);
  CLI11_PARSE(app, argc, argv);
  try {
    if (options.model.empty()) options.model = first_model(options);
    return run(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "serve_load: {}\n", error.what());
    return 2;
  }
}

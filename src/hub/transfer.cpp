#include "hub/transfer.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <exception>
#include <mutex>
#include <string_view>

#include "caldera/error.hpp"

namespace caldera::hub {
namespace {

constexpr size_t kMostErrorBody = 4096;
constexpr size_t kMostHeaders = 256;
constexpr long kMostRedirects = 10;

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

/// One request on its way.
struct Exchange {
  const Transfer::Sink& sink;
  const std::function<bool()>& go_on;
  Reply reply;
  std::exception_ptr failure;
  bool cancelled = false;
};

size_t take_header(char* data, size_t size, size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const std::string_view line(data, size * count);
  if (line.starts_with("HTTP/")) {  // of each answer on the way: the last one counts
    exchange.reply.headers.clear();
    exchange.reply.body.clear();
    const size_t code = std::min(line.find(' '), line.size() - 1) + 1;
    exchange.reply.status = 0;
    std::from_chars(line.data() + code, line.data() + line.size(), exchange.reply.status);
    return line.size();
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || exchange.reply.headers.size() >= kMostHeaders) return line.size();
  std::string name(line.substr(0, colon));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
  exchange.reply.headers[std::move(name)] = trimmed(line.substr(colon + 1));
  return line.size();
}

size_t take_body(char* data, size_t size, size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const size_t bytes = size * count;
  if (exchange.reply.status != 200 && exchange.reply.status != 206) {
    exchange.reply.body.append(
        data, std::min(bytes, kMostErrorBody - std::min(kMostErrorBody, exchange.reply.body.size())));
    return bytes;
  }
  try {
    exchange.sink(exchange.reply, std::as_bytes(std::span(data, bytes)));
    return bytes;
  } catch (...) {
    exchange.failure = std::current_exception();
    return 0;
  }
}

int look_around(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& exchange = *static_cast<Exchange*>(user);
  exchange.cancelled = exchange.cancelled || !exchange.go_on();
  return exchange.cancelled ? 1 : 0;
}

/// What no other try would mend.
bool is_final(CURLcode code) {
  switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::string Reply::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string() : found->second;
}

struct Transfer::State {
  TransferOptions options;
  CURL* curl = nullptr;
  ~State() { curl_easy_cleanup(curl); }
};

Transfer::Transfer(TransferOptions options) : state_(std::make_unique<State>()) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  state_->options = std::move(options);
  state_->curl = curl_easy_init();
  if (state_->curl == nullptr) throw Error(ErrorKind::kInternal, "libcurl cannot be used here");
}
Transfer::~Transfer() = default;

Reply Transfer::get(const Request& request, const Sink& sink, const std::function<bool()>& go_on) {
  Exchange exchange{sink, go_on, {}, {}, false};
  CURL* curl = state_->curl;
  curl_easy_reset(curl);  // connections stay
  std::array<char, CURL_ERROR_SIZE> words{};
  curl_slist* headers = nullptr;
  for (const std::string& header : request.headers) headers = curl_slist_append(headers, header.c_str());
  const auto set = [&](CURLoption option, auto value) { curl_easy_setopt(curl, option, value); };
  set(CURLOPT_URL, request.url.c_str());
  set(CURLOPT_HTTPHEADER, headers);
  set(CURLOPT_USERAGENT, state_->options.user_agent.c_str());
  const bool secure = request.url.starts_with("https:");
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
  set(CURLOPT_FOLLOWLOCATION, 1L);
  set(CURLOPT_MAXREDIRS, kMostRedirects);
  if (!request.token.empty()) {  // libcurl keeps it from the hosts of redirects
    set(CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BEARER));
    set(CURLOPT_XOAUTH2_BEARER, request.token.c_str());
  }
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_CONNECTTIMEOUT, static_cast<long>(state_->options.connect_time.count()));
  set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(state_->options.stall_time.count()));
  set(CURLOPT_ERRORBUFFER, words.data());
  set(CURLOPT_HEADERFUNCTION, &take_header);
  set(CURLOPT_HEADERDATA, &exchange);
  set(CURLOPT_WRITEFUNCTION, &take_body);
  set(CURLOPT_WRITEDATA, &exchange);
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_XFERINFOFUNCTION, &look_around);
  set(CURLOPT_XFERINFODATA, &exchange);
  const CURLcode code = curl_easy_perform(curl);
  set(CURLOPT_ERRORBUFFER, nullptr);
  curl_slist_free_all(headers);
  if (exchange.failure) std::rethrow_exception(exchange.failure);
  if (exchange.cancelled) throw TransferCancelled();
  if (code != CURLE_OK) {
    throw TransferError(words[0] != '\0' ? words.data() : curl_easy_strerror(code), !is_final(code));
  }
  return std::move(exchange.reply);
}

std::string url_path(const std::string& path) {
  std::string out;
  for (const char c : path) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 ||
        std::string_view("-._~/").find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace caldera::hub

#include "server/request_parser.hpp"

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include "server/url.hpp"

namespace caldera::server {
namespace {

namespace http = boost::beast::http;
using Code = boost::beast::error_code;

/// Beast's parser, which calls what is below with what it finds.
class Parser : public http::basic_parser<true> {
 public:
  Request request;
  std::string target;
  int version = 11;

 private:
  void on_request_impl(http::verb, boost::beast::string_view method, boost::beast::string_view text,
                       int number, Code& code) override {
    request.method.assign(method.data(), method.size());
    target.assign(text.data(), text.size());
    version = number;
    code = {};
  }
  void on_response_impl(int, boost::beast::string_view, int, Code& code) override {
    code = http::error::bad_version;
  }
  void on_field_impl(http::field, boost::beast::string_view name, boost::beast::string_view value,
                     Code& code) override {
    request.headers.push_back(
        {std::string(name.data(), name.size()), std::string(value.data(), value.size())});
    code = {};
  }
  void on_header_impl(Code& code) override { code = {}; }
  void on_body_init_impl(const boost::optional<uint64_t>&, Code& code) override { code = {}; }
  size_t on_body_impl(boost::beast::string_view bytes, Code& code) override {
    request.body.append(bytes.data(), bytes.size());
    code = {};
    return bytes.size();
  }
  void on_chunk_header_impl(uint64_t, boost::beast::string_view, Code& code) override { code = {}; }
  size_t on_chunk_body_impl(uint64_t, boost::beast::string_view bytes, Code& code) override {
    return on_body_impl(bytes, code);
  }
  void on_finish_impl(Code& code) override { code = {}; }
};

}  // namespace

struct RequestParser::State {
  Limits limits;
  Parser parser;
  std::optional<ApiError> error;

  void fail(int status, std::string message) { error = {.status = status, .message = std::move(message)}; }

  void fail(const Code& code) {
    if (code == http::error::header_limit) {
      fail(431, fmt::format("the request line and headers are longer than {} bytes", limits.header_bytes));
    } else if (code == http::error::body_limit) {
      fail(413, fmt::format("the body is longer than {} bytes", limits.body_bytes));
    } else if (code == http::error::bad_version) {
      fail(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    } else {
      fail(400, fmt::format("not a valid HTTP request: {}", code.message()));
    }
  }

  const std::string* only(std::string_view name) {
    const std::string* found = nullptr;
    for (const Header& header : parser.request.headers) {
      if (!same_header(header.name, name)) continue;
      if (found != nullptr) fail(400, fmt::format("the header {} comes twice", name));
      found = &header.value;
    }
    return found;
  }

  /// What Beast lets pass, and this server cannot serve.
  void check_headers() {
    if (parser.version != 10 && parser.version != 11) return fail(http::error::bad_version);
    std::optional<Target> target = parse_target(parser.target);
    if (!target) return fail(400, "the request's target is not a valid path");
    parser.request.path = std::move(target->path);
    parser.request.query = std::move(target->query);
    if (only("host") == nullptr && parser.version == 11) return fail(400, "HTTP/1.1 requests name a Host");
    if (const std::string* coding = only("transfer-encoding");
        coding != nullptr && !same_header(*coding, "chunked")) {
      return fail(501, "of transfer encodings only 'chunked' is read");
    }
    if (const std::string* coding = only("content-encoding");
        coding != nullptr && !same_header(*coding, "identity")) {
      return fail(415,
                  fmt::format("bodies are read as they are, not encoded in '{}'", coding->substr(0, 64)));
    }
  }
};

RequestParser::RequestParser(const Limits& limits) : state_(std::make_unique<State>()) {
  state_->limits = limits;
  state_->parser.header_limit(static_cast<uint32_t>(limits.header_bytes));
  state_->parser.body_limit(limits.body_bytes);
}

RequestParser::~RequestParser() = default;
RequestParser::RequestParser(RequestParser&&) noexcept = default;
RequestParser& RequestParser::operator=(RequestParser&&) noexcept = default;

size_t RequestParser::read(std::string_view bytes) {
  size_t used = 0;
  while (!state_->error && !is_done() && used < bytes.size()) {
    const bool had_headers = has_headers();
    Code code;
    const size_t now =
        state_->parser.put(boost::asio::const_buffer(bytes.data() + used, bytes.size() - used), code);
    used += now;
    if (code == http::error::need_more) break;
    if (code) {
      state_->fail(code);
    } else if (!had_headers && has_headers()) {
      state_->check_headers();
      break;
    } else if (now == 0 && !is_done()) {
      break;
    }
  }
  return used;
}

bool RequestParser::has_headers() const {
  return state_->parser.is_header_done();
}

bool RequestParser::is_done() const {
  return state_->parser.is_done();
}

const std::optional<ApiError>& RequestParser::error() const {
  return state_->error;
}

Request& RequestParser::request() {
  return state_->parser.request;
}

std::optional<uint64_t> RequestParser::content_length() const {
  const boost::optional<uint64_t> length = state_->parser.content_length();
  return length ? std::optional<uint64_t>(*length) : std::nullopt;
}

bool RequestParser::keep_alive() const {
  return state_->parser.keep_alive();
}

bool RequestParser::http_1_0() const {
  return state_->parser.version < 11;
}

bool RequestParser::expects_continue() const {
  const std::string* expected = state_->parser.request.header("expect");
  return !http_1_0() && expected != nullptr && same_header(*expected, "100-continue");
}

}  // namespace caldera::server

#include "hub/hub.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "caldera/error.hpp"
#include "gguf/foreign.hpp"
#include "gguf/printable.hpp"

namespace caldera::hub {
namespace {

using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr size_t kMostListing = size_t{32} << 20;  // bytes of a page of a listing
constexpr size_t kMostPages = 1000;
constexpr uint64_t kProgress = uint64_t{1} << 20;  // bytes that make a try a success, though it was cut

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::optional<uint64_t> parse_number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Host of "https://host:443/path".
std::string host_of(const std::string& url) {
  const size_t start = url.find("://") + 3;
  std::string host = url.substr(start, url.find('/', start) - start);
  if (host.starts_with('[')) return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.find(':'));
}

bool is_this_machine(const std::string& host) {
  return host == "localhost" || host == "[::1]" || host.starts_with("127.");
}

/// "bytes 100-199/200" (RFC 9110 section 14.4): where it starts, and how long all is.
struct ContentRange {
  uint64_t start = 0;
  uint64_t total = 0;
};
std::optional<ContentRange> parse_content_range(std::string_view text) {
  if (!text.starts_with("bytes ")) return std::nullopt;
  text.remove_prefix(6);
  const size_t dash = text.find('-');
  const size_t slash = text.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos) return std::nullopt;
  const auto start = parse_number(text.substr(0, dash));
  const auto total = parse_number(text.substr(slash + 1));
  if (!start || !total) return std::nullopt;
  return ContentRange{*start, *total};
}

/// The URL of the next page: Link: <https://...>; rel="next" (RFC 8288).
std::string next_page(const std::string& link) {
  for (size_t at = link.find('<'); at != std::string::npos; at = link.find('<', at + 1)) {
    const size_t end = link.find('>', at);
    if (end == std::string::npos) return {};
    const std::string parameters = link.substr(end, link.find('<', end) - end);
    if (parameters.find("rel=\"next\"") != std::string::npos ||
        parameters.find("rel=next") != std::string::npos) {
      return link.substr(at + 1, end - at - 1);
    }
  }
  return {};
}

bool is_sha256(const std::string& text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

void add_files(const std::string& body, const std::string& what, std::vector<File>& files) {
  const Json list = Json::parse(body, nullptr, false);
  if (!list.is_array()) {
    throw Error(ErrorKind::kFile,
                fmt::format("{}: the hub's answer is no list of files: is its address right?", what));
  }
  const auto text = [](const Json& entry, const char* key) {
    const auto found = entry.find(key);
    return found != entry.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  for (const Json& entry : list) {
    if (!entry.is_object() || text(entry, "type") != "file") continue;
    File file;
    file.path = text(entry, "path");
    if (!is_safe_path(file.path)) continue;  // never written anywhere
    const auto lfs = entry.find("lfs");
    const bool large = lfs != entry.end() && lfs->is_object();
    const Json size = (large ? *lfs : entry).value("size", Json());
    if (!size.is_number_unsigned()) continue;
    file.bytes = size.get<uint64_t>();
    if (large) {
      file.sha256 = text(*lfs, "oid");
      if (file.sha256.starts_with("sha256:")) file.sha256.erase(0, 7);
      if (!is_sha256(file.sha256)) file.sha256.clear();
    }
    files.push_back(std::move(file));
  }
}

/// Sleeps, unless somebody calls it off.
void wait(std::chrono::milliseconds time, const std::function<bool()>& go_on) {
  for (const auto end = Clock::now() + time; Clock::now() < end;) {
    if (!go_on()) throw TransferCancelled();
    std::this_thread::sleep_for(std::min<Clock::duration>(end - Clock::now(), std::chrono::milliseconds(50)));
  }
}

/// The hub's own words, in its header or its body.
std::string words_of(const Reply& reply) {
  std::string words = reply.header("x-error-message");
  if (words.empty()) {
    const Json body = Json::parse(reply.body, nullptr, false);
    if (body.is_object() && body.contains("error") && body["error"].is_string()) {
      words = body["error"].get<std::string>();
    }
  }
  return words.empty() ? "" : fmt::format(" ({})", gguf::quote(words));
}

/// The server sends something else than was asked for: from the beginning again.
struct Anew : std::exception {};

}  // namespace

HubOptions hub_options(const std::string& given) {
  HubOptions options;
  std::string url = given;
  for (const char* name : {"CALDERA_HUB", "HF_ENDPOINT"}) {
    if (url.empty()) url = environment(name);
  }
  if (!url.empty()) options.url = url;
  while (options.url.ends_with('/')) options.url.pop_back();
  if (!options.url.starts_with("https://") && !options.url.starts_with("http://")) {
    throw Error(ErrorKind::kUsage, fmt::format("the hub {} is no URL: it begins with https:// or http://",
                                               gguf::quote(options.url)));
  }
  options.token = environment("HF_TOKEN");
  return options;
}

/// A request that may take several tries.
struct Hub::Job {
  std::function<Transfer::Request()> request;  ///< of the next try
  Transfer::Sink sink;
  std::function<bool()> complete;     ///< whether all has come
  std::function<uint64_t()> reached;  ///< bytes so far
};

Hub::Hub(HubOptions options) : options_(std::move(options)), transfer_(options_.transfer) {
  if (!options_.token.empty() && options_.url.starts_with("http://") &&
      !is_this_machine(host_of(options_.url))) {
    options_.token.clear();
    token_withheld_ = true;
  }
}

void Hub::refuse(const Reply& reply, const std::string& what) const {
  const std::string words = words_of(reply);
  if (reply.status == 401 || reply.status == 403) {
    const char* mend = "check its name; a private or gated model needs a token of yours in HF_TOKEN";
    if (token_withheld_) {
      mend = "HF_TOKEN is not sent over plain HTTP: use an https:// address";
    } else if (!options_.token.empty()) {
      mend = "check its name, and that the owner of HF_TOKEN may read it and agreed to its terms";
    }
    throw Error(ErrorKind::kFile, fmt::format("{}: {} refuses it with HTTP {}{}: {}", what, options_.url,
                                              reply.status, words, mend));
  }
  if (reply.status == 404) {
    throw Error(ErrorKind::kFile, fmt::format("{}: {} has no such model or revision{}: check the name", what,
                                              options_.url, words));
  }
  throw Error(ErrorKind::kFile,
              fmt::format("{}: {} answers with HTTP {}{}", what, options_.url, reply.status, words));
}

Reply Hub::run(const Job& job, const std::string& what, const HubWatch& watch) {
  uint32_t failed = 0;
  auto pause = options_.first_wait;
  uint64_t before = job.reached();
  while (true) {
    std::string why;
    std::chrono::milliseconds asked{0};
    try {
      Reply reply = transfer_.get(job.request(), job.sink, watch.go_on);
      const bool success = reply.status == 200 || reply.status == 206;
      if (success && job.complete()) return reply;
      if (reply.status == 416) throw Anew();  // what was there is longer than what the hub has now
      const bool busy = reply.status == 408 || reply.status == 429 || reply.status >= 500;
      if (!success && !busy) refuse(reply, what);
      why = success ? "the connection was cut" : fmt::format("HTTP {}{}", reply.status, words_of(reply));
      if (const auto seconds = parse_number(reply.header("retry-after"))) {
        asked = std::chrono::seconds(std::min<uint64_t>(*seconds, 86400));
      }
    } catch (const TransferError& error) {
      if (!error.transient()) throw Error(ErrorKind::kFile, fmt::format("{}: {}", what, error.what()));
      why = error.what();
    }
    if (job.reached() >= before + kProgress) {
      failed = 0;
      pause = options_.first_wait;
    }
    before = job.reached();
    if (++failed >= options_.tries || asked > options_.longest_wait) {
      throw Error(ErrorKind::kFile,
                  fmt::format("{}: {} does not give it: {}; what has come is kept, and the same "
                              "command goes on from there later",
                              what, options_.url, why));
    }
    const auto time = std::max(pause, asked);
    watch.on_wait(why, std::chrono::duration<double>(time).count());
    wait(time, watch.go_on);
    pause = std::min<std::chrono::milliseconds>(pause * 2, options_.longest_wait);
  }
}

std::vector<File> Hub::files(const std::string& repo, const HubWatch& watch) {
  std::vector<File> files;
  std::string url =
      fmt::format("{}/api/models/{}/tree/{}?recursive=1", options_.url, repo, url_path(options_.revision));
  for (size_t page = 0; !url.empty() && page < kMostPages; ++page) {
    std::string body;
    const Job job{.request =
                      [&] {
                        body.clear();
                        return Transfer::Request{url, options_.token, {"Accept: application/json"}};
                      },
                  .sink =
                      [&](const Reply&, std::span<const std::byte> piece) {
                        if (body.size() + piece.size() > kMostListing) {
                          throw Error(ErrorKind::kFile,
                                      fmt::format("{}: the hub's list of files is too long", repo));
                        }
                        body.append(reinterpret_cast<const char*>(piece.data()), piece.size());
                      },
                  .complete = [] { return true; },
                  .reached = [] { return uint64_t{0}; }};
    const Reply reply = run(job, repo, watch);
    add_files(body, repo, files);
    url = next_page(reply.header("link"));
    // The token is for this hub, whatever a page says.
    if (!url.empty() && !url.starts_with(options_.url + "/")) url.clear();
  }
  return files;
}

bool Hub::fetch(const std::string& repo, const std::string& path, PartialFile& file, const HubWatch& watch) {
  const std::string what = repo + "/" + path;
  bool began = false;  // of the answer at hand
  bool in_one = false;
  std::array<std::byte, 256> start{};
  size_t started = 0;
  const Job job{
      .request =
          [&] {
            began = false;
            Transfer::Request request{fmt::format("{}/{}/resolve/{}/{}", options_.url, repo,
                                                  url_path(options_.revision), url_path(path)),
                                      options_.token,
                                      {}};
            if (file.bytes() > 0) {
              request.headers.push_back(fmt::format("Range: bytes={}-", file.bytes()));
              // Weak ETags compare as different (RFC 9110 section 13.1.5).
              if (file.etag().starts_with('"')) request.headers.push_back("If-Range: " + file.etag());
            }
            return request;
          },
      .sink =
          [&](const Reply& head, std::span<const std::byte> piece) {
            if (!began) {
              began = true;
              const std::string etag = head.header("etag");
              uint64_t total = file.wanted();
              if (head.status == 206) {
                const auto range = parse_content_range(head.header("content-range"));
                if (!range || range->start != file.bytes() || range->total != file.wanted() ||
                    (!file.etag().empty() && !etag.empty() && etag != file.etag())) {
                  throw Anew();
                }
                in_one = false;
              } else {
                file.restart(etag);
                started = 0;
                in_one = true;
                total = parse_number(head.header("content-length")).value_or(total);
              }
              if (total != file.wanted()) {
                throw Error(ErrorKind::kFile,
                            fmt::format("{}: {} bytes are sent, where the hub lists {}: try again later",
                                        what, total, file.wanted()));
              }
            }
            file.append(piece);
            // What is none is known by its first bytes, before gigabytes of it came.
            if (file.bytes() - piece.size() == started && started < start.size()) {
              const size_t more = std::min(piece.size(), start.size() - started);
              std::copy_n(piece.begin(), more, start.begin() + static_cast<std::ptrdiff_t>(started));
              started += more;
              constexpr std::string_view kMagic = "GGUF";
              const std::string_view text(reinterpret_cast<const char*>(start.data()), started);
              if (text.substr(0, kMagic.size()) != kMagic.substr(0, std::min(started, kMagic.size()))) {
                file.discard();
                const auto foreign = gguf::describe_foreign(std::span(start).first(started), file.wanted());
                throw Error(ErrorKind::kFormat, fmt::format("{}: what the hub sends is no GGUF file{}{}",
                                                            what, foreign.empty() ? "" : ": ", foreign));
              }
            }
          },
      .complete = [&] { return file.bytes() == file.wanted(); },
      .reached = [&] { return file.bytes(); }};
  for (int again = 0; file.bytes() < file.wanted(); ++again) {
    try {
      run(job, what, watch);
      return in_one;
    } catch (const Anew&) {
      if (again > 0) {
        throw Error(ErrorKind::kFile,
                    fmt::format("{}: the hub answers ranges that were not asked for", what));
      }
      file.restart({});
    }
  }
  return in_one;
}

}  // namespace caldera::hub

#include "server/json.hpp"

#include <fmt/format.h>

#include <string>
#include <unordered_set>
#include <vector>

#include "caldera/error.hpp"

namespace caldera::server {
namespace {

using json = nlohmann::ordered_json;

/// "line 3, column 17" of the byte at `position`, which counts from 1 as the parser does.
std::string place(std::string_view body, size_t position) {
  const std::string_view before = body.substr(0, position > 0 ? position - 1 : 0);
  size_t line = 1;
  size_t start = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    if (before[i] == '\n') {
      ++line;
      start = i + 1;
    }
  }
  return fmt::format("line {}, column {}", line, before.size() - start + 1);
}

/// Builds the value while it is parsed, so that what is beyond the limits is never built. (nlohmann's own
/// callback sees each array only when it has gone into it.)
class Builder : public nlohmann::json_sax<json> {
 public:
  Builder(std::string_view body, const JsonLimits& limits) : body_(body), limits_(limits) {}

  json take() { return std::move(root_); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }

  bool start_object(size_t) override { return open(json::object()); }
  bool start_array(size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    count();
    if (open_.back()->contains(name)) {
      // Which of the two counts differs between parsers: a check that another one made would be worth
      // nothing.
      throw Error(ErrorKind::kInput, fmt::format("the body has the key '{}' twice in one object{}",
                                                 name.substr(0, 64), within()));
    }
    if (open_.back()->size() >= limits_.keys) {
      throw Error(ErrorKind::kInput,
                  fmt::format("an object in the body has more than {} keys{}", limits_.keys, within()));
    }
    key_ = std::move(name);
    return true;
  }

  bool parse_error(size_t position, const std::string& token, const json::exception& error) override {
    // nlohmann's text repeats the place and names its own rules; what it met is what helps.
    const bool encoding = std::string_view(error.what()).find("UTF-8") != std::string_view::npos;
    std::string shown;
    for (const char c : std::string_view(token).substr(0, 32)) {
      shown += static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f ? '?' : c;
    }
    throw Error(ErrorKind::kInput,
                fmt::format("the body is not valid JSON: {} at {}{}",
                            encoding                  ? "text that is not UTF-8"
                            : position > body_.size() ? "it ends too early"
                                                      : fmt::format("unexpected '{}'", shown),
                            place(body_, position), within()));
  }

 private:
  void count() {
    if (++values_ > limits_.values) {
      throw Error(ErrorKind::kInput,
                  fmt::format("the body holds more than {} JSON values{}", limits_.values, within()));
    }
  }

  json* insert(json value) {
    count();
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    return &(parent[key_] = std::move(value));
  }

  bool add(json value) {
    insert(std::move(value));
    return true;
  }

  bool open(json value) {
    if (open_.size() >= limits_.depth) {
      throw Error(ErrorKind::kInput,
                  fmt::format("the body nests JSON deeper than {} levels{}", limits_.depth, within()));
    }
    open_.push_back(insert(std::move(value)));
    names_.push_back(key_);
    return true;
  }

  bool close() {
    open_.pop_back();
    names_.pop_back();
    return true;
  }

  /// ", in 'messages'": the outermost member that is being read.
  std::string within() const {
    if (open_.empty() || !root_.is_object()) return {};
    const std::string& name = names_.size() > 1 ? names_[1] : key_;
    return name.empty() ? std::string() : fmt::format(", in '{}'", name.substr(0, 64));
  }

  std::string_view body_;
  JsonLimits limits_;
  json root_;
  std::vector<json*> open_;         // stays valid: only the last child of each is still added to
  std::vector<std::string> names_;  // the key that each of open_ was opened under
  std::string key_;
  size_t values_ = 0;
};

}  // namespace

nlohmann::ordered_json parse_json(std::string_view body, const JsonLimits& limits) {
  Builder builder(body, limits);
  json::sax_parse(body.begin(), body.end(), &builder);
  return builder.take();
}

}  // namespace caldera::server

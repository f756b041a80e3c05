#include "text/jinja/html.hpp"

#include <array>
#include <utility>

#include "text/jinja/unicode.hpp"

namespace caldera::text::jinja {
namespace {

constexpr std::array<std::pair<char, std::string_view>, 5> kEntities = {
    {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'\'', "&#39;"}, {'"', "&#34;"}}};

// `text` without what lies between `open` and the next `close`, both included.
std::string remove_between(std::string_view text, std::string_view open, std::string_view close) {
  std::string out;
  size_t offset = 0;
  while (true) {
    const size_t begin = text.find(open, offset);
    const size_t end = begin == std::string_view::npos ? begin : text.find(close, begin);
    if (end == std::string_view::npos) return out.append(text.substr(offset));
    out.append(text.substr(offset, begin - offset));
    offset = end + close.size();
  }
}

}  // namespace

std::string escape_html(Runtime& runtime, std::string_view text) {
  TextBuilder out(runtime);
  for (const char c : text) {
    std::string_view written(&c, 1);
    for (const auto& [plain, entity] : kEntities) {
      if (c == plain) written = entity;
    }
    out.append(written);
  }
  return out.take();
}

std::string strip_tags(Runtime& runtime, std::string_view text) {
  runtime.charge_text(text.size() * 4);
  const std::string bare = remove_between(remove_between(text, "<!--", "-->"), "<", ">");
  std::string out;
  bool pending = false;
  for (size_t offset = 0; offset < bare.size();) {
    const char32_t code = next_code_point(bare, offset);
    if (is_space(code)) {
      pending = !out.empty();
      continue;
    }
    if (pending) out.push_back(' ');
    pending = false;
    append_code_point(out, code);
  }
  std::string resolved;
  for (size_t offset = 0; offset < out.size();) {
    const std::string_view rest = std::string_view(out).substr(offset);
    char plain = rest.front();
    size_t used = 1;
    for (const auto& [character, entity] : kEntities) {
      if (!rest.starts_with(entity)) continue;
      plain = character;
      used = entity.size();
    }
    resolved.push_back(plain);
    offset += used;
  }
  return resolved;
}

std::string quote_url(Runtime& runtime, std::string_view text, bool query) {
  static constexpr std::string_view kSafe =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-~";
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  TextBuilder out(runtime);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (kSafe.find(c) != std::string_view::npos || (c == '/' && !query)) {
      out.append(c);
    } else if (c == ' ' && query) {
      out.append('+');
    } else {
      out.append(std::string{'%', kDigits[byte >> 4], kDigits[byte & 15]});
    }
  }
  return out.take();
}

}  // namespace caldera::text::jinja

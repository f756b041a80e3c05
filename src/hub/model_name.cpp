#include "hub/model_name.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace caldera::hub {
namespace {

constexpr size_t kMostPart = 240;  // file systems take 255 bytes, and what is unfinished has an ending more
constexpr size_t kMostRepoPart = 96;
constexpr std::string_view kEnding = ".gguf";

bool is_alnum(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string upper(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return static_cast<char>(std::toupper(static_cast<unsigned char>(c))); });
  return out;
}

bool is_repo_part(std::string_view part) {
  return !part.empty() && part.size() <= kMostRepoPart && (is_alnum(part[0]) || part[0] == '_') &&
         std::all_of(part.begin(), part.end(),
                     [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
}

/// "Q4_K_M", "IQ1_S", "TQ2_0", "MXFP4", "BF16".
bool is_format(std::string_view word) {
  for (const std::string_view plain : {"F16", "BF16", "F32", "FP16", "FP32", "MXFP4"}) {
    if (word == plain || (word.starts_with(plain) && word[plain.size()] == '_')) return true;
  }
  for (const std::string_view start : {"Q", "IQ", "TQ"}) {
    if (word.starts_with(start) && word.size() > start.size() && is_digit(word[start.size()])) return true;
  }
  return false;
}

}  // namespace

std::optional<ModelName> parse_model_name(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const size_t end = std::min(text.find_first_of("/:", slash + 1), text.size());
  if (!is_repo_part(text.substr(0, slash)) || !is_repo_part(text.substr(slash + 1, end - slash - 1))) {
    return std::nullopt;
  }
  ModelName name{std::string(text.substr(0, end)), {}, {}};
  if (end == text.size()) return name;
  const std::string_view rest = text.substr(end + 1);
  if (!is_safe_path(rest)) return std::nullopt;
  if (rest.ends_with(kEnding)) {
    name.file = rest;
  } else if (text[end] == ':' && rest.find_first_of("/:") == std::string_view::npos) {
    name.tag = rest;
  } else {
    return std::nullopt;
  }
  return name;
}

std::string to_string(const ModelName& name) {
  if (!name.file.empty()) return name.repo + "/" + name.file;
  return name.tag.empty() ? name.repo : name.repo + ":" + name.tag;
}

bool is_safe_path(std::string_view path) {
  size_t start = 0;
  while (start <= path.size()) {
    const size_t end = std::min(path.find('/', start), path.size());
    const std::string_view part = path.substr(start, end - start);
    if (part.empty() || part.size() > kMostPart || part[0] == '.') return false;
    if (std::any_of(part.begin(), part.end(),
                    [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F || c == '\\'; })) {
      return false;
    }
    start = end + 1;
  }
  return path.size() <= 1024;
}

std::string format_tag(std::string_view file) {
  std::string name = upper(file);
  if (name.ends_with(".GGUF")) name.resize(name.size() - kEnding.size());
  // The last word counts: the first ones are the model's.
  for (size_t end = name.size(); end > 0;) {
    const size_t before = name.find_last_of("-./ ", end - 1);
    const size_t start = before == std::string::npos ? 0 : before + 1;
    const std::string_view word = std::string_view(name).substr(start, end - start);
    if (is_format(word)) {
      const bool dynamic =
          start >= 3 && name.compare(start - 3, 3, "UD-") == 0 && (start == 3 || !is_alnum(name[start - 4]));
      return (dynamic ? "UD-" : "") + std::string(word);
    }
    // "model_Q4_0": the format comes after the last underscore that begins one.
    for (size_t at = word.find('_'); at != std::string_view::npos; at = word.find('_', at + 1)) {
      if (is_format(word.substr(at + 1))) return std::string(word.substr(at + 1));
    }
    end = before == std::string::npos ? 0 : before;
  }
  return {};
}

bool has_tag(std::string_view file, std::string_view tag) {
  std::string name = upper(file);
  if (name.ends_with(".GGUF")) name.resize(name.size() - kEnding.size());
  const std::string wanted = upper(tag);
  if (wanted.empty()) return false;
  for (size_t at = name.find(wanted); at != std::string::npos; at = name.find(wanted, at + 1)) {
    const size_t end = at + wanted.size();
    if ((at == 0 || !is_alnum(name[at - 1])) &&
        (end == name.size() || (!is_alnum(name[end]) && name[end] != '_'))) {
      return true;
    }
  }
  return false;
}

}  // namespace caldera::hub

#include "server/openai_prompts.hpp"

#include <fmt/format.h>

#include <limits>

namespace caldera::server {
namespace {

constexpr size_t kMaxPromptTokens = 1 << 24;

std::vector<Token> parse_tokens(const Json& tokens, const std::string& path) {
  if (tokens.size() > kMaxPromptTokens) refuse(path, fmt::format("'{}' is too long", path));
  std::vector<Token> prompt;
  for (const Json& token : tokens) {
    if (!token.is_number_integer()) refuse_type(element_path(path, prompt.size()), "a token's number", token);
    if (token < 0 || token > std::numeric_limits<Token>::max()) {
      refuse(element_path(path, prompt.size()), "a token's number is out of range");
    }
    prompt.push_back(token.get<Token>());
  }
  return prompt;
}

}  // namespace

std::vector<PromptText> parse_prompts(const Fields& body, std::string_view name, size_t most) {
  const Json& prompt = body.require(name);
  const std::string path = body.path_of(name);
  if (prompt.is_string()) return {prompt.get<std::string>()};
  if (!prompt.is_array()) refuse_type(path, "a string or an array", prompt);
  if (prompt.empty()) refuse(path, fmt::format("'{}' is empty", path));
  if (prompt[0].is_number()) return {parse_tokens(prompt, path)};
  std::vector<PromptText> prompts;
  for (const Json& one : *body.array(name, most)) {
    const std::string element = element_path(path, prompts.size());
    if (one.is_string()) {
      prompts.emplace_back(one.get<std::string>());
    } else if (one.is_array()) {
      prompts.emplace_back(parse_tokens(one, element));
    } else {
      refuse_type(element, "a string or an array of tokens", one);
    }
  }
  return prompts;
}

std::vector<Token> prompt_tokens(const Language& language, const PromptText& prompt, std::string_view param) {
  if (const auto* text = std::get_if<std::string>(&prompt)) return language.tokenize(*text, true, false);
  const auto& tokens = std::get<std::vector<Token>>(prompt);
  for (const Token token : tokens) {
    if (static_cast<uint32_t>(token) >= language.vocabulary()) {
      refuse(param, fmt::format("'{}' has a token that the model has not", param));
    }
  }
  return tokens;
}

}  // namespace caldera::server

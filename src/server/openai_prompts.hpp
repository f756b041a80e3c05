// Text as the endpoints of the OpenAI dialect take it that know no messages: strings or tokens, one or many.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "server/fields.hpp"
#include "server/language.hpp"

namespace caldera::server {

using PromptText = std::variant<std::string, std::vector<Token>>;

/// The field `name`: a string, an array of strings or arrays of tokens (`most` at most), or an array of
/// tokens. Errors: RequestError 400, which names the element.
std::vector<PromptText> parse_prompts(const Fields& body, std::string_view name, size_t most);

/// Tokens of a text, with what the model puts around every text, or the tokens that it is. Errors:
/// RequestError 400 about `param` where the model has no such token.
std::vector<Token> prompt_tokens(const Language& language, const PromptText& prompt, std::string_view param);

}  // namespace caldera::server

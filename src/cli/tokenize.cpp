// caldera tokenize MODEL [TEXT]
#include <nlohmann/json.hpp>
#include <optional>

#include "caldera/error.hpp"
#include "cli/command.hpp"
#include "cli/model_argument.hpp"
#include "cli/output.hpp"
#include "cli/parse.hpp"
#include "cli/prompt.hpp"
#include "gguf/file.hpp"
#include "hub/model_folder.hpp"
#include "text/tokenizer.hpp"

namespace caldera::cli {
namespace {

using Json = nlohmann::ordered_json;

struct TokenizeOptions {
  std::string model;
  std::vector<std::string> words;
  bool decode = false;
  bool ids = false;
  bool no_special = false;
  bool parse_special = false;
  bool json = false;
};

/// Splits at white space and commas, so that what --ids prints can be given back.
std::vector<text::Token> parse_ids(std::string_view text, const text::Tokenizer& tokenizer) {
  constexpr std::string_view kBetween = " \t\r\n,";
  std::vector<text::Token> ids;
  for (size_t at = text.find_first_not_of(kBetween); at != std::string_view::npos;
       at = text.find_first_not_of(kBetween, at)) {
    const size_t end = std::min(text.find_first_of(kBetween, at), text.size());
    if (tokenizer.size() == 0) throw Error(ErrorKind::kInput, "the vocabulary is empty");
    const uint64_t id = parse_integer("a token id", text.substr(at, end - at), 0, tokenizer.size() - 1);
    ids.push_back(static_cast<text::Token>(id));
    at = end;
  }
  return ids;
}

int decode(const text::Tokenizer& tokenizer, const TokenizeOptions& options, const std::string& input) {
  const std::vector<text::Token> ids = parse_ids(input, tokenizer);
  const std::string text = tokenizer.decode(ids, !options.no_special);
  if (options.json) {
    write_json({{"text", text}, {"ids", ids}, {"count", ids.size()}});
  } else {
    write_out(text + "\n");
  }
  return 0;
}

int encode(const text::Tokenizer& tokenizer, const TokenizeOptions& options, const std::string& input) {
  require_utf8(input, "the text");
  const auto ids =
      tokenizer.encode(input, {.add_special = !options.no_special, .parse_special = options.parse_special});
  if (options.json) {
    Json tokens = Json::array();
    for (const text::Token id : ids) {
      tokens.push_back(
          {{"id", id}, {"piece", escape(tokenizer.piece(id, true))}, {"control", tokenizer.is_control(id)}});
    }
    write_json({{"tokens", std::move(tokens)}, {"count", ids.size()}});
  } else if (options.ids) {
    write_out(fmt::format("{}\n", fmt::join(ids, " ")));
  } else {
    std::string out;
    for (const text::Token id : ids)
      out += fmt::format("{:>8}  '{}'\n", id, escape(tokenizer.piece(id, true)));
    write_out(out + fmt::format("{} tokens\n", ids.size()));
  }
  return 0;
}

int tokenize(const TokenizeOptions& options) {
  if (!options.decode && options.words.size() > 1) {
    throw Error(ErrorKind::kUsage, "more than one TEXT: put it in quotes");
  }
  if (options.decode && (options.ids || options.parse_special)) {
    throw Error(ErrorKind::kUsage, "--decode goes with neither --ids nor --parse-special");
  }
  const gguf::File file = gguf::File::open(hub::find_model(options.model));
  const std::unique_ptr<text::Tokenizer> tokenizer = text::Tokenizer::create(file.metadata());
  const std::string input =
      options.words.empty() ? read_standard_input() : fmt::format("{}", fmt::join(options.words, " "));
  return options.decode ? decode(*tokenizer, options, input) : encode(*tokenizer, options, input);
}

}  // namespace

void declare_tokenize(CLI::App& app, Action& action) {
  const auto options = std::make_shared<TokenizeOptions>();
  add_model_argument(app, options->model)->required();
  app.add_option("TEXT", options->words, "The text, or with --decode the ids (default: standard input)");
  app.add_flag("--decode", options->decode, "Show the text of token ids");
  app.add_flag("--ids", options->ids, "Print the ids alone, on one line");
  app.add_flag("--no-special", options->no_special,
               "Add no BOS or EOS; with --decode show no control tokens");
  app.add_flag("--parse-special", options->parse_special,
               "Read '<|im_start|>' and its like as control tokens");
  app.add_flag("--json", options->json, "Print JSON");
  app.callback([options, &action] { action = [options] { return tokenize(*options); }; });
}

}  // namespace caldera::cli

// Against Hugging Face tokenizers: tests/oracle/make_tokenizer_goldens.py says what the goldens hold.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "text/tokenizer.hpp"
#include "text/utf8.hpp"
#include "tokenizer_fixtures.hpp"

namespace caldera::text {
namespace {

nlohmann::json read_json(const std::string& name) {
  const std::string path = std::string(CALDERA_TEST_DATA "/tokenizer/") + name + ".json";
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  return nlohmann::json::parse(file);
}

class TokenizerGolden : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    tokenizer_ = load_tokenizer(GetParam());
    corpus_ = read_json("corpus").get<std::vector<std::string>>();
    golden_ = read_json(GetParam());
    ASSERT_EQ(golden_["ids"].size(), corpus_.size());
  }

  bool sentencepiece() const { return std::string_view(GetParam()) == "llama-spm"; }

  std::unique_ptr<Tokenizer> tokenizer_;
  std::vector<std::string> corpus_;
  nlohmann::json golden_;
};

TEST_P(TokenizerGolden, EncodesWithSpecialTokens) {
  for (size_t i = 0; i < corpus_.size(); ++i) {
    const auto expected = golden_["ids"][i].get<std::vector<Token>>();
    const std::vector<Token> actual =
        tokenizer_->encode(corpus_[i], {.add_special = true, .parse_special = true});
    EXPECT_EQ(actual, expected) << i << ": " << testing::PrintToString(corpus_[i]) << "\n  ours "
                                << testing::PrintToString(spellings(*tokenizer_, actual)) << "\n  reference "
                                << testing::PrintToString(spellings(*tokenizer_, expected));
  }
}

TEST_P(TokenizerGolden, EncodesSpecialTokensAsPlainText) {
  for (size_t i = 0; i < corpus_.size(); ++i) {
    const std::string index = std::to_string(i);
    const nlohmann::json& plain = golden_["plain_ids"];
    const auto expected =
        (plain.contains(index) ? plain[index] : golden_["ids"][i]).get<std::vector<Token>>();
    const std::vector<Token> actual =
        tokenizer_->encode(corpus_[i], {.add_special = true, .parse_special = false});
    EXPECT_EQ(actual, expected) << i << ": " << testing::PrintToString(corpus_[i]) << "\n  ours "
                                << testing::PrintToString(spellings(*tokenizer_, actual)) << "\n  reference "
                                << testing::PrintToString(spellings(*tokenizer_, expected));
  }
}

TEST_P(TokenizerGolden, Decodes) {
  for (size_t i = 0; i < corpus_.size(); ++i) {
    const std::string index = std::to_string(i);
    const nlohmann::json& decoded = golden_["decoded"];
    const std::string expected = decoded.contains(index) ? decoded[index].get<std::string>() : corpus_[i];
    const auto ids = golden_["ids"][i].get<std::vector<Token>>();
    EXPECT_EQ(replace_invalid_utf8(tokenizer_->decode(ids)), expected) << i;
  }
}

TEST_P(TokenizerGolden, PiecesJoinToTheDecodedText) {
  for (const nlohmann::json& ids : golden_["ids"]) {
    std::string joined;
    for (const Token token : ids.get<std::vector<Token>>()) joined += tokenizer_->piece(token);
    if (sentencepiece() && joined.starts_with(' ')) joined.erase(0, 1);  // what encode put in front
    EXPECT_EQ(joined, tokenizer_->decode(ids.get<std::vector<Token>>()));
  }
}

/// What must come back: the text, less the bytes that the vocabulary has no token for.
std::string spellable(const Tokenizer& tokenizer, const std::string& text) {
  std::string out;
  for (const char byte : text) {
    if (!tokenizer.encode(std::string(1, byte), {.add_special = false}).empty()) out += byte;
  }
  return out;
}

TEST_P(TokenizerGolden, AnyBytesComeBack) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::string bytes;
    for (size_t length = random() % 200; length > 0; --length) {
      const auto byte = static_cast<uint8_t>(random() % 256);
      // These begin the combining marks and letters that normalization (Qwen's) changes.
      bytes += static_cast<char>(byte >= 0xCC && byte <= 0xCE ? 0xD0 : byte);
    }
    const std::vector<Token> tokens = tokenizer_->encode(bytes, {.add_special = false});
    EXPECT_EQ(tokenizer_->decode(tokens), spellable(*tokenizer_, bytes)) << testing::PrintToString(bytes);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, TokenizerGolden,
                         testing::Values("gpt2", "smollm", "llama-spm", "llama3.1", "qwen3", "mistral-nemo",
                                         "gpt-oss"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::erase_if(name, [](char c) { return c == '.' || c == '-'; });
                           return name;
                         });

}  // namespace
}  // namespace caldera::text

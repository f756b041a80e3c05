// Special tokens, BOS and EOS, ends of generation, and damaged metadata: on small made-up vocabularies.
#include "text/tokenizer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "caldera/error.hpp"
#include "text/bpe_bytes.hpp"
#include "tokenizer_fixtures.hpp"

namespace caldera::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

/// All bytes, a few merges, and special tokens behind them.
MetadataBuilder byte_level() {
  std::vector<std::string> tokens;
  for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(byte_spelling(static_cast<uint8_t>(byte)));
  for (const char* token :
       {"he", "ll", "hell", "hello", "Ġw", "<|bos|>", "<|eos|>", "<|e|>", "<think>", "<th"}) {
    tokens.emplace_back(token);
  }
  std::vector<int64_t> types(tokens.size(), 1);
  for (size_t i = 261; i < 264; ++i) types[i] = 3;
  types[264] = types[265] = 4;
  MetadataBuilder builder;
  builder.string("tokenizer.ggml.model", "gpt2")
      .string("tokenizer.ggml.pre", "gpt-2")
      .strings("tokenizer.ggml.tokens", tokens)
      .integers("tokenizer.ggml.token_type", types)
      .strings("tokenizer.ggml.merges", {"h e", "l l", "he ll", "hell o", "Ġ w"})
      .integer("tokenizer.ggml.bos_token_id", 261)
      .integer("tokenizer.ggml.eos_token_id", 262);
  return builder;
}

/// <unk>, <s>, </s>, the bytes, and a few pieces.
MetadataBuilder sentencepiece(bool with_bytes = true) {
  std::vector<std::string> tokens = {"<unk>", "<s>", "</s>"};
  std::vector<int64_t> types = {2, 3, 3};
  std::vector<double> scores = {0, 0, 0};
  const auto add = [&](std::string token, int64_t type, double score) {
    tokens.push_back(std::move(token));
    types.push_back(type);
    scores.push_back(score);
  };
  for (int byte = 0; with_bytes && byte < 256; ++byte) {
    char spelling[8];
    std::snprintf(spelling, sizeof spelling, "<0x%02X>", byte);
    add(spelling, 6, 0);
  }
  double score = -1;
  for (const char* piece : {"▁a", "ab", "▁ab", "bc", "▁▁", "▁", "a", "b", "c"}) add(piece, 1, score--);
  add("▁▁x", 4, 0);
  MetadataBuilder builder;
  builder.string("tokenizer.ggml.model", "llama")
      .strings("tokenizer.ggml.tokens", tokens)
      .integers("tokenizer.ggml.token_type", types)
      .numbers("tokenizer.ggml.scores", scores)
      .integer("tokenizer.ggml.bos_token_id", 1)
      .integer("tokenizer.ggml.eos_token_id", 2)
      .integer("tokenizer.ggml.unknown_token_id", 0);
  return builder;
}

std::vector<std::string> encode(const Tokenizer& tokenizer, std::string_view text,
                                EncodeOptions options = {}) {
  return spellings(tokenizer, tokenizer.encode(text, options));
}

void expect_error(const MetadataBuilder& builder, ErrorKind kind, const std::string& words) {
  try {
    builder.create();
    ADD_FAILURE() << "no error that says: " << words;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    EXPECT_THAT(error.what(), HasSubstr(words));
    EXPECT_EQ(std::string_view(error.what()).find('\n'), std::string_view::npos);
  }
}

TEST(Tokenizer, MergesInTheOrderOfTheMerges) {
  const auto tokenizer = byte_level().create();
  EXPECT_THAT(encode(*tokenizer, "hello world"), ElementsAre("hello", "Ġw", "o", "r", "l", "d"));
  EXPECT_THAT(encode(*tokenizer, "hellohe"), ElementsAre("hello", "he"));
  EXPECT_THAT(encode(*tokenizer, "helll"), ElementsAre("hell", "l"));
  EXPECT_THAT(encode(*tokenizer, ""), ElementsAre());
}

TEST(Tokenizer, ReadsControlTokensOnlyOnRequest) {
  const auto tokenizer = byte_level().create();
  EXPECT_THAT(encode(*tokenizer, "<|bos|>he<|e|>", {.parse_special = true}),
              ElementsAre("<|bos|>", "he", "<|e|>"));
  EXPECT_THAT(encode(*tokenizer, "<|e|>"), ElementsAre("<", "|", "e", "|", ">"));
}

TEST(Tokenizer, ReadsUserDefinedTokensAlwaysAndTheLongestFirst) {
  const auto tokenizer = byte_level().create();
  for (const bool parse_special : {false, true}) {
    EXPECT_THAT(encode(*tokenizer, "a<think>b<thin<th", {.parse_special = parse_special}),
                ElementsAre("a", "<think>", "b", "<th", "i", "n", "<th"));
  }
}

TEST(Tokenizer, ControlTokensAreNotVisibleText) {
  const auto tokenizer = byte_level().create();
  const Token bos = tokenizer->bos();
  EXPECT_TRUE(tokenizer->is_control(bos));
  EXPECT_FALSE(tokenizer->is_control(tokenizer->find("<think>")));
  EXPECT_EQ(tokenizer->piece(bos), "");
  EXPECT_EQ(tokenizer->piece(bos, true), "<|bos|>");
  EXPECT_EQ(tokenizer->piece(tokenizer->find("<think>")), "<think>");
  EXPECT_EQ(tokenizer->piece(tokenizer->find("Ġw")), " w");
  const std::vector<Token> tokens = tokenizer->encode("<|bos|>hello w<|eos|>", {.parse_special = true});
  EXPECT_EQ(tokenizer->decode(tokens), "hello w");
  EXPECT_EQ(tokenizer->decode(tokens, true), "<|bos|>hello w<|eos|>");
}

TEST(Tokenizer, IdsOutOfRangeHaveNoText) {
  for (const auto& tokenizer : {byte_level().create(), sentencepiece().create()}) {
    for (const Token token : {-1, static_cast<Token>(tokenizer->size()), 2147483647, -2147483647 - 1}) {
      EXPECT_EQ(tokenizer->piece(token, true), "");
      EXPECT_EQ(tokenizer->token_text(token), "");
      EXPECT_FALSE(tokenizer->is_control(token));
    }
    EXPECT_EQ(tokenizer->find("no such token"), -1);
    EXPECT_EQ(tokenizer->find(""), -1);
  }
}

TEST(Tokenizer, AddsBosAndEosAsTheMetadataSays) {
  EXPECT_FALSE(byte_level().create()->adds_bos());
  EXPECT_TRUE(byte_level().string("tokenizer.ggml.pre", "llama-bpe").create()->adds_bos());
  EXPECT_TRUE(byte_level().string("tokenizer.ggml.pre", "tekken").create()->adds_bos());
  EXPECT_FALSE(byte_level().string("tokenizer.ggml.pre", "qwen2").create()->adds_bos());
  EXPECT_TRUE(sentencepiece().create()->adds_bos());
  EXPECT_FALSE(sentencepiece().boolean("tokenizer.ggml.add_bos_token", false).create()->adds_bos());
  EXPECT_FALSE(sentencepiece().remove("tokenizer.ggml.bos_token_id").create()->adds_bos());

  const auto tokenizer = byte_level()
                             .boolean("tokenizer.ggml.add_bos_token", true)
                             .boolean("tokenizer.ggml.add_eos_token", true)
                             .create();
  EXPECT_THAT(encode(*tokenizer, "he"), ElementsAre("<|bos|>", "he", "<|eos|>"));
  EXPECT_THAT(encode(*tokenizer, "he", {.add_special = false}), ElementsAre("he"));
}

TEST(Tokenizer, KnowsTheTokensThatEndATurn) {
  MetadataBuilder builder = byte_level();
  std::vector<std::string> tokens = *builder.build().strings("tokenizer.ggml.tokens");
  std::vector<int64_t> types = *builder.build().integers("tokenizer.ggml.token_type");
  for (const char* token : {"<|im_end|>", "<|eot_id|>", "<|end|>", "<|endoftext|>", "<other>", "</s>"}) {
    tokens.emplace_back(token);
    types.push_back(3);
  }
  types.back() = 1;  // an ordinary token that only looks like one
  builder.strings("tokenizer.ggml.tokens", tokens).integers("tokenizer.ggml.token_type", types);
  builder.integer("tokenizer.ggml.eom_token_id", 270).integer("tokenizer.ggml.eot_token_id", 266);
  EXPECT_THAT(builder.create()->end_of_generation(), UnorderedElementsAre(262, 266, 267, 268, 269, 270));

  tokens.emplace_back("<|return|>");
  types.push_back(3);
  builder.strings("tokenizer.ggml.tokens", tokens).integers("tokenizer.ggml.token_type", types);
  EXPECT_THAT(builder.create()->end_of_generation(), UnorderedElementsAre(262, 266, 267, 269, 270, 272))
      << "in harmony <|end|> only ends a message";
}

TEST(Tokenizer, LeavesOutBytesWithoutAToken) {
  MetadataBuilder builder = byte_level();
  std::vector<std::string> tokens = *builder.build().strings("tokenizer.ggml.tokens");
  tokens[0] = "unused";
  const auto tokenizer = builder.strings("tokenizer.ggml.tokens", tokens).create();
  EXPECT_THAT(tokenizer->encode(std::string_view("a\0b", 3)), ElementsAre('a', 'b'));
}

TEST(Tokenizer, TakesAWholeWordWhereMergesDoNotCount) {
  // "bad" is a token that no merge leads to.
  MetadataBuilder builder = byte_level();
  std::vector<std::string> tokens = *builder.build().strings("tokenizer.ggml.tokens");
  std::vector<int64_t> types = *builder.build().integers("tokenizer.ggml.token_type");
  tokens.emplace_back("bad");
  types.push_back(1);
  builder.strings("tokenizer.ggml.tokens", tokens).integers("tokenizer.ggml.token_type", types);
  EXPECT_THAT(encode(*builder.create(), "bad"), ElementsAre("b", "a", "d"));
  builder.string("tokenizer.ggml.pre", "llama-bpe");
  EXPECT_THAT(encode(*builder.create(), "bad", {.add_special = false}), ElementsAre("bad"));
  types.back() = 3;
  builder.integers("tokenizer.ggml.token_type", types);
  EXPECT_THAT(encode(*builder.create(), "bad", {.add_special = false}), ElementsAre("b", "a", "d"))
      << "text must not turn into a control token";
}

TEST(Tokenizer, NormalizesForQwen) {
  const auto tokenizer = byte_level().string("tokenizer.ggml.pre", "qwen2").create();
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("e\u0301\xFF"
                                                "e\u0301")),
            "\u00e9\xFF\u00e9");
}

TEST(SentencePiece, MergesByScore) {
  const auto tokenizer = sentencepiece().create();
  EXPECT_THAT(encode(*tokenizer, "ab"), ElementsAre("<s>", "▁ab"));
  EXPECT_THAT(encode(*tokenizer, "cab"), ElementsAre("<s>", "▁", "c", "ab"));
  EXPECT_THAT(encode(*tokenizer, "abc bc"),
              ElementsAre("<s>", "▁ab", "c", "▁", "bc"));  // "▁ab" scores above "bc"
  EXPECT_THAT(encode(*tokenizer, ""), ElementsAre("<s>"));
}

TEST(SentencePiece, MergesAcrossSpacesWhereATokenSpansThem) {
  MetadataBuilder builder = sentencepiece();
  std::vector<std::string> tokens = *builder.build().strings("tokenizer.ggml.tokens");
  tokens.back() = "c▁";
  std::vector<int64_t> types = *builder.build().integers("tokenizer.ggml.token_type");
  types.back() = 1;
  builder.strings("tokenizer.ggml.tokens", tokens).integers("tokenizer.ggml.token_type", types);
  EXPECT_THAT(encode(*builder.create(), "c b"), ElementsAre("<s>", "▁", "c▁", "b"));
}

TEST(SentencePiece, PutsASpaceInFrontAndTakesItOff) {
  const auto tokenizer = sentencepiece().create();
  for (const char* text : {"a", " a", "  a b", "a ", "", " "}) {
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text) << testing::PrintToString(text);
  }
  const auto without = sentencepiece().boolean("tokenizer.ggml.add_space_prefix", false).create();
  EXPECT_THAT(encode(*without, "ab"), ElementsAre("<s>", "ab"));
  EXPECT_EQ(without->decode(without->encode(" ab")), " ab");
}

TEST(SentencePiece, SpellsUnknownCharactersInBytes) {
  const auto tokenizer = sentencepiece().create();
  EXPECT_THAT(encode(*tokenizer, "é\xFF"), ElementsAre("<s>", "▁", "<0xC3>", "<0xA9>", "<0xFF>"));
  EXPECT_EQ(tokenizer->piece(tokenizer->find("<0xC3>")), "\xC3");
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("é\xFF")), "é\xFF");
  const auto without = sentencepiece(false).create();
  EXPECT_THAT(encode(*without, "éü\xFFz"), ElementsAre("<s>", "▁", "<unk>"));
  EXPECT_EQ(without->piece(0), "");
}

TEST(SentencePiece, ReadsUserDefinedTokensWithSpaces) {
  const auto tokenizer = sentencepiece().create();
  EXPECT_THAT(encode(*tokenizer, "a  xb"), ElementsAre("<s>", "▁a", "▁▁x", "▁", "b"));
  EXPECT_EQ(tokenizer->piece(tokenizer->find("▁▁x")), "  x");
  EXPECT_THAT(encode(*tokenizer, "</s>a", {.add_special = false, .parse_special = true}),
              ElementsAre("</s>", "▁a"));
}

TEST(SentencePiece, TextDoesNotSpellByteTokens) {
  const auto tokenizer = sentencepiece().create();
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("<0x41>")), "<0x41>");
  EXPECT_GT(tokenizer->encode("<0x41>").size(), 6u);
}

TEST(TokenizerErrors, NameWhatIsUnknown) {
  expect_error(byte_level().string("tokenizer.ggml.model", "rwkv"), ErrorKind::kUnsupported, "'rwkv'");
  expect_error(byte_level().string("tokenizer.ggml.pre", "falcon"), ErrorKind::kUnsupported,
               "'falcon' (tokenizer.ggml.pre); the known ones are default, gpt-2, ");
  EXPECT_NO_THROW(byte_level().remove("tokenizer.ggml.pre").create());
  expect_error(byte_level().remove("tokenizer.ggml.model"), ErrorKind::kFormat, "tokenizer.ggml.model");
}

TEST(TokenizerErrors, RefuseDamagedTables) {
  const auto bad = [](const MetadataBuilder& builder, const std::string& words) {
    expect_error(builder, ErrorKind::kFormat, words);
  };
  bad(byte_level().remove("tokenizer.ggml.tokens"), "tokenizer.ggml.tokens");
  bad(byte_level().strings("tokenizer.ggml.tokens", {}), "tokenizer.ggml.tokens");
  bad(byte_level().integers("tokenizer.ggml.tokens", {1}), "tokenizer.ggml.tokens");
  bad(byte_level().remove("tokenizer.ggml.merges"), "tokenizer.ggml.merges");
  bad(byte_level().strings("tokenizer.ggml.merges", {"h e", "he"}), "merge 1 ");
  bad(byte_level().strings("tokenizer.ggml.merges", {""}), "merge 0 ");
  bad(byte_level().strings("tokenizer.ggml.merges", {"h zz"}), "merge 0 ");
  bad(byte_level().strings("tokenizer.ggml.merges", {"h l"}), "merge 0 ");
  bad(byte_level().integers("tokenizer.ggml.token_type", {1, 2, 3}), "3 entries for 266 tokens");
  bad(byte_level().integers("tokenizer.ggml.token_type", std::vector<int64_t>(266, 7)), "the type 7");
  bad(byte_level().integer("tokenizer.ggml.bos_token_id", 266), "bos_token_id is 266");
  bad(byte_level().integer("tokenizer.ggml.eot_token_id", ~uint64_t{0}), "eot_token_id");
  bad(byte_level().boolean("tokenizer.ggml.eos_token_id", true), "eos_token_id");
  bad(sentencepiece().remove("tokenizer.ggml.scores"), "tokenizer.ggml.scores");
  bad(sentencepiece().numbers("tokenizer.ggml.scores", {1.0}), "1 entries");
  bad(sentencepiece().numbers("tokenizer.ggml.scores", std::vector<double>(269, NAN)), "not a number");
  bad(sentencepiece(false).integers("tokenizer.ggml.token_type", std::vector<int64_t>(13, 6)),
      "token 0 is a byte");
  bad(sentencepiece(false)
          .integers("tokenizer.ggml.token_type", std::vector<int64_t>(13, 1))
          .remove("tokenizer.ggml.unknown_token_id"),
      "neither all byte tokens nor an unknown token");

  std::vector<std::string> tokens = *byte_level().build().strings("tokenizer.ggml.tokens");
  tokens[7] = "\xFF";
  bad(byte_level().strings("tokenizer.ggml.tokens", tokens), "token 7 is not UTF-8");
  tokens[7] = std::string(2000, 'x');
  bad(byte_level().strings("tokenizer.ggml.tokens", tokens), "token 7 is 2000 bytes long");
}

TEST(TokenizerErrors, AnyTablesEitherWorkOrAreRefused) {
  std::mt19937 random(3);
  const std::vector<std::string> spellings = {"",   " ", "a",      "b",      "ab", "▁",
                                              "▁a", "Ġ", "<0x41>", "<0xZZ>", "é",  "<s>"};
  const auto pick = [&] { return spellings[random() % spellings.size()]; };
  int accepted = 0;
  for (int round = 0; round < 5000; ++round) {
    const size_t size = random() % 12;
    MetadataBuilder builder;
    std::vector<std::string> tokens(size);
    std::vector<int64_t> types(random() % 4 == 0 ? random() % 12 : size);
    std::vector<double> scores(types.size());
    std::vector<std::string> merges(random() % 3);
    for (std::string& token : tokens) token = pick();
    for (int64_t& type : types) type = static_cast<int64_t>(random() % 8);
    for (double& score : scores) score = static_cast<double>(random() % 4);
    for (std::string& merge : merges) merge = pick() + " " + pick();
    builder.string("tokenizer.ggml.model", random() % 2 == 0 ? "gpt2" : "llama")
        .strings("tokenizer.ggml.tokens", tokens)
        .integers("tokenizer.ggml.token_type", types)
        .numbers("tokenizer.ggml.scores", scores)
        .strings("tokenizer.ggml.merges", merges)
        .integer("tokenizer.ggml.bos_token_id", random() % 12);
    std::unique_ptr<Tokenizer> tokenizer;
    try {
      tokenizer = builder.create();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kFormat) << error.what();
      continue;
    }
    ++accepted;
    const std::vector<Token> ids =
        tokenizer->encode("ab <s> é\xFF a<0x41>▁ab", {.parse_special = round % 2 == 0});
    for (const Token token : ids) EXPECT_LT(static_cast<uint32_t>(token), tokenizer->size());
    tokenizer->decode(ids, true);
  }
  EXPECT_GT(accepted, 100);
}

}  // namespace
}  // namespace caldera::text

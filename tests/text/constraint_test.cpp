// Constraints: what they let through, byte for byte, however it is cut into tokens.
#include "text/constraint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <regex>
#include <string>
#include <vector>

#include "caldera/error.hpp"
#include "text/constraint_walker.hpp"
#include "text/tokenizer_fixtures.hpp"

namespace caldera::text {
namespace {

using Json = nlohmann::ordered_json;
using Kind = AnswerFormat::Kind;
using testing::HasSubstr;

class ConstraintTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    tokenizer_ = load_tokenizer("smollm");
    factory_ = std::make_unique<ConstraintFactory>(*tokenizer_);
    walker_ = std::make_unique<ConstraintWalker>(*tokenizer_);
  }
  static void TearDownTestSuite() {
    walker_.reset();
    factory_.reset();
    tokenizer_.reset();
  }
  void SetUp() override {
    // The library is optional to users. `script/bootstrap test`, with which script/test begins, builds it.
    if (!ConstraintFactory::available()) GTEST_SKIP() << "script/fetch-llguidance was not run";
  }

  static std::shared_ptr<TokenConstraint> make(Kind kind, const std::string& source) {
    return factory_->make({kind, source});
  }
  static bool valid(Kind kind, const std::string& source, std::string_view text) {
    return walker_->accepts(*make(kind, source), text);
  }

  /// What a source is refused with; empty: it is not.
  static std::string error_of(Kind kind, const std::string& source) {
    try {
      make(kind, source);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInput) << error.what();
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
      return error.what();
    }
    return "";
  }

  static inline std::unique_ptr<const Tokenizer> tokenizer_;
  static inline std::unique_ptr<const ConstraintFactory> factory_;
  static inline std::unique_ptr<ConstraintWalker> walker_;
  std::mt19937 random_{7};
};

TEST_F(ConstraintTest, PlainTextIsNotConstrained) {
  EXPECT_EQ(make(Kind::kText, ""), nullptr);
}

struct SchemaCase {
  const char* schema;
  std::vector<const char*> valid;
  std::vector<const char*> invalid;
};

const SchemaCase kSchemas[] = {
    {R"({"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer"}},
         "required":["a","b"],"additionalProperties":false})",
     {R"({"a":"x","b":1})", R"({"a": "x", "b": -12})", R"({ "a" : "x" , "b" : 0 })",
      "{\n  \"a\": \"\\u00fcber\",\n  \"b\": 7\n}", R"({"a":"grün 🎉","b":1})"},
     {R"({"a":"x"})", R"({"b":1,"a":"x"})", R"({"a":"x","b":1.5})", R"({"a":"x","b":01})",
      R"({"a":"x","b":1,"c":2})", R"({"a":  "x","b":1})", R"(["a"])", R"({"a":"x","b":1)", ""}},
    {R"({"type":"object","properties":{"a":{"type":"string"},"b":{"type":"boolean"}}})",
     {"{}", R"({"a":"x"})", R"({"b":true})", R"({"a":"","b":false})", R"({"a":"","other":[1,{"x":null}]})"},
     {R"({"a":1})", R"({"b":"true"})"}},
    {R"({"type":"object","additionalProperties":{"type":"integer"}})",
     {"{}", R"({"x":1,"y":2})"},
     {R"({"x":"1"})"}},
    {R"({"type":["string","null","integer"]})", {R"("x")", "null", "-3"}, {"true", "1.5", "[]"}},
    {R"({"type":"string","nullable":true})", {"null", R"("")"}, {"1"}},
    {R"({"type":"number"})", {"0", "-1.5", "2e10", "1E-3", "0.25"}, {"01", ".5", "1.", "+1", "NaN"}},
    {R"({"type":"integer","minimum":-3,"maximum":120})", {"-3", "0", "99", "120"}, {"-4", "121", "1000"}},
    {R"({"type":"integer","exclusiveMinimum":5,"exclusiveMaximum":7})", {"6"}, {"5", "7", "66"}},
    {R"({"type":"number","minimum":0,"maximum":1})", {"0", "0.5", "1", "1.0"}, {"-0.1", "1.01", "2"}},
    {R"({"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":3})",
     {"[1]", "[1,2]", "[1, 2, 3]"},
     {"[]", "[1,2,3,4]", R"(["x"])", "[1,]"}},
    {R"({"type":"array","prefixItems":[{"type":"string"},{"type":"integer"}],"items":false,"minItems":2})",
     {R"(["a",1])"},
     {R"([1,"a"])", R"(["a"])", R"(["a",1,2])"}},
    {R"({"enum":["red","green",3,null,{"a":[1]}]})",
     {R"("red")", "3", "null", R"({"a":[1]})"},
     {R"("re")", R"("blue")", "4"}},
    {R"({"const":"grün"})", {R"("grün")"}, {R"("gr")", R"("blue")"}},
    {R"({"anyOf":[{"type":"integer"},{"type":"object","properties":{"k":{"const":1}},"required":["k"]}]})",
     {"5", R"({"k":1})"},
     {R"({"k":2})", R"("5")"}},
    {R"({"oneOf":[{"type":"integer"},{"type":"number","minimum":2}]})", {"1", "3", "2.5"}, {"1.5"}},
    {R"({"allOf":[{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]},
                  {"properties":{"b":{"type":"string"}},"required":["b"]}]})",
     {R"({"a":1,"b":"x"})"},
     {R"({"a":1})", R"({"b":"x"})"}},
    {R"({"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"v":{"type":"integer"},
         "next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},"required":["v","next"],
         "additionalProperties":false}}})",
     {R"({"v":1,"next":null})", R"({"v":1,"next":{"v":2,"next":{"v":3,"next":null}}})"},
     {R"({"v":1})", R"({"v":1,"next":{"v":2}})"}},
    {R"({"type":"string","pattern":"^[A-Z]{3}-[0-9]+$"})", {R"("ABC-12")"}, {R"("AB-12")", R"("ABC-")"}},
    {R"({"type":"string","pattern":"b+"})", {R"("abc")", R"("b")"}, {R"("ac")"}},
    {R"({"type":"string","minLength":2,"maxLength":4})",
     {R"("ab")", R"("äöüß")", R"("a\nb")"},
     {R"("a")", R"("abcde")", R"("")"}},
    {R"({"type":"string","format":"date"})", {R"("2026-02-28")"}, {R"("2026-02-31")", R"("today")"}},
    {R"({"type":"string","format":"date-time"})", {R"("2026-02-28T10:00:00Z")"}, {R"("2026-02-28")"}},
    {R"({"type":"string","format":"uuid"})",
     {R"("123e4567-e89b-12d3-a456-426614174000")"},
     {R"("123e4567")"}},
    {R"({"type":"string","format":"email"})", {R"("a.b@example.org")"}, {R"("a.b")"}},
    {R"({"type":"string","format":"password"})", {R"("anything")"}, {"1"}},
    {R"({"title":"T","description":"D","type":"boolean","default":true,"examples":[1],"x-order":3})",
     {"true", "false"},
     {"1"}},
    {R"({"type":"object","properties":{"title":{"type":"integer"},"nullable":{"type":"null"}},
         "required":["title"],"additionalProperties":false})",
     {R"({"title":1})", R"({"title":1,"nullable":null})"},
     {R"({"title":"x"})"}},
    {"{}", {"1", R"("x")", R"([{"a":[null,true]}])"}, {"x", "{"}},
    {"true", {"1", "[]"}, {"{"}},
};

TEST_F(ConstraintTest, SchemasLetThroughWhatIsValid) {
  for (const SchemaCase& schema : kSchemas) {
    SCOPED_TRACE(schema.schema);
    for (const char* text : schema.valid) EXPECT_TRUE(valid(Kind::kJsonSchema, schema.schema, text)) << text;
    for (const char* text : schema.invalid)
      EXPECT_FALSE(valid(Kind::kJsonSchema, schema.schema, text)) << text;
  }
}

TEST_F(ConstraintTest, JsonIsAnyObject) {
  for (const char* text : {"{}", R"({"a": [1, 2, {"b": null}]})", "{\n  \"x\": \"y\"\n}"}) {
    EXPECT_TRUE(valid(Kind::kJson, "", text)) << text;
  }
  for (const char* text : {"[]", "1", "{", "{a:1}", R"({"a" 1})", "Sure! {}", "{}{}"}) {
    EXPECT_FALSE(valid(Kind::kJson, "", text)) << text;
  }
}

TEST_F(ConstraintTest, WhiteSpaceIsBounded) {
  EXPECT_FALSE(valid(Kind::kJson, "", R"({"a":)" + std::string(40, ' ') + "1}"));
  EXPECT_FALSE(valid(Kind::kJson, "", "{\n\n\"a\":1}"));
  EXPECT_TRUE(valid(Kind::kJson, "", "{\n" + std::string(16, ' ') + "\"a\":1}"));
}

TEST_F(ConstraintTest, RefusedSchemasSayWhere) {
  const std::pair<const char*, const char*> cases[] = {
      {"{", "not valid JSON"},
      {"3", "a schema is an object"},
      {R"({"type":"array","uniqueItems":true})", "at '#': 'uniqueItems' cannot be enforced"},
      {R"({"properties":{"a/b":{"not":{}}}})", "at '#/properties/a~1b': 'not'"},
      {R"({"$defs":{"x":{"if":{}}}})", "at '#/$defs/x': 'if'"},
      {R"({"anyOf":[{"type":"string"},{"contains":{}}]})", "at '#/anyOf/1': 'contains'"},
      {R"({"anyOf":{}})", "at '#/anyOf': an array"},
      {R"({"properties":[]})", "at '#/properties': an object"},
      {R"({"items":7})", "at '#/items': a schema is"},
      {R"({"$ref":"https://example.org/schema"})", "at '#/$ref': only references"},
      {R"({"$ref":"#/$defs/none"})", "none"},
      {R"({"properties":{"a":{"type":"strnig"}}})", "at '#/properties/a/type': \"strnig\" is no type"},
      {R"({"type":["string",3]})", "at '#/type': [\"string\",3] is no type"},
      {R"({"enum":{}})", "at '#/enum': an array"},
      {R"({"items":{"required":[1]}})", "at '#/items/required': an array of names"},
      {R"({"pattern":1})", "at '#/pattern': a regular"},
      {R"({"maxLength":-1})", "at '#/maxLength': a whole number"},
      {R"({"maxItems":1.5})", "at '#/maxItems': a whole number"},
      {R"({"minimum":"3"})", "at '#/minimum': a number"},
      {R"({"type":"string","pattern":"("})", "cannot be enforced"},
      {R"({"type":"string","pattern":"(?=a)b"})", "cannot be enforced"},
      {R"({"type":"integer","minimum":3,"maximum":2})", "cannot be enforced"},
      {"false", "cannot be enforced"},
  };
  for (const auto& [schema, expected] : cases) {
    EXPECT_THAT(error_of(Kind::kJsonSchema, schema), HasSubstr(expected)) << schema;
  }
}

TEST_F(ConstraintTest, RefusedPatternsSayWhy) {
  EXPECT_THAT(error_of(Kind::kRegex, "a("), HasSubstr("the pattern cannot be enforced"));
  EXPECT_THAT(error_of(Kind::kRegex, "(?=x)y"), HasSubstr("the pattern cannot be enforced"));
  EXPECT_THAT(error_of(Kind::kRegex, std::string("a\0b", 3)), HasSubstr("byte 1"));
  EXPECT_THAT(error_of(Kind::kRegex, "a\xff"), HasSubstr("byte 1"));
  EXPECT_THAT(error_of(Kind::kRegex, std::string(3 << 20, 'a')), HasSubstr("longer than"));
}

TEST_F(ConstraintTest, PatternsMatchTheWholeAnswer) {
  EXPECT_TRUE(valid(Kind::kRegex, "[a-z]+ is [0-9]{2,3}", "seven is 77"));
  EXPECT_TRUE(valid(Kind::kRegex, "^(yes|no)$", "yes"));
  EXPECT_FALSE(valid(Kind::kRegex, "^(yes|no)$", "yes!"));
  EXPECT_TRUE(valid(Kind::kRegex, R"(cost: \$)", "cost: $"));
  EXPECT_TRUE(valid(Kind::kRegex, R"(\p{Greek}+)", "αβγ"));
  EXPECT_FALSE(valid(Kind::kRegex, R"(\p{Greek}+)", "abc"));
}

TEST_F(ConstraintTest, PatternsAgreeWithAnotherMatcher) {
  // Random patterns over a small alphabet against std::regex, with texts that are near to matching.
  const std::string atoms[] = {"a", "b", "c", "[ab]", "[^a]", "ab", "ca"};
  const std::string tails[] = {"", "", "*", "+", "?", "{2}", "{1,3}"};
  const auto pick = [&](const auto& from) { return from[random_() % std::size(from)]; };
  for (int i = 0; i < 25; ++i) {
    std::string pattern;
    for (int part = 0; part < 4; ++part) {
      std::string group = "(" + pick(atoms);
      if (random_() % 2 == 0) group += "|" + pick(atoms);
      pattern += group + ")" + pick(tails);
    }
    const std::regex reference(pattern);
    for (int text = 0; text < 12; ++text) {
      std::string letters;
      for (size_t n = random_() % 8; n > 0; --n) letters += "abc"[random_() % 3];
      EXPECT_EQ(valid(Kind::kRegex, pattern, letters), std::regex_match(letters, reference))
          << pattern << " and '" << letters << "'";
    }
  }
}

TEST_F(ConstraintTest, WhateverIsDrawnIsValid) {
  const std::string schema = R"({"type":"object","properties":{
      "name":{"type":"string","maxLength":8},"age":{"type":"integer","minimum":0,"maximum":150},
      "tags":{"type":"array","items":{"enum":["a","b","c"]},"maxItems":2},
      "at":{"type":["string","null"],"format":"date"}},
      "required":["name","age","tags","at"],"additionalProperties":false})";
  for (int i = 0; i < 10; ++i) {
    const std::string text = walker_->draw(*make(Kind::kJsonSchema, schema), 400).value_or("no end");
    const Json value = Json::parse(text, nullptr, false);
    ASSERT_TRUE(value.is_object()) << text;
    ASSERT_EQ(value.size(), 4u) << text;
    EXPECT_TRUE(value["name"].is_string()) << text;
    EXPECT_TRUE(value["age"].is_number_integer() && value["age"] >= 0 && value["age"] <= 150) << text;
    EXPECT_LE(value["tags"].size(), 2u) << text;
    EXPECT_TRUE(value["at"].is_null() || value["at"].get<std::string>().size() == 10) << text;
  }
}

TEST_F(ConstraintTest, NothingComesAfterTheEnd) {
  const auto constraint = make(Kind::kRegex, "ab?");
  EXPECT_TRUE(walker_->accepts(*constraint, "a"));
  constraint->accept(tokenizer_->eos());
  EXPECT_THAT(walker_->allowed(*constraint), testing::Each(0U));

  const auto complete = make(Kind::kRegex, "a");
  EXPECT_TRUE(walker_->accepts(*complete, "a"));
  size_t count = 0;
  for (const uint32_t bits : walker_->allowed(*complete)) count += static_cast<size_t>(std::popcount(bits));
  EXPECT_EQ(count, tokenizer_->end_of_generation().size());
}

TEST_F(ConstraintTest, ATokenThatWasNotAllowedIsReported) {
  const auto constraint = make(Kind::kRegex, "a+");
  constraint->accept(tokenizer_->encode("b", {.add_special = false})[0]);
  EXPECT_THROW(walker_->allowed(*constraint), Error);
}

TEST_F(ConstraintTest, HostileSourcesAreBounded) {
  std::string nested, alternatives = "(";
  for (int i = 0; i < 5000; ++i) nested += R"({"items":)";
  EXPECT_THAT(error_of(Kind::kJsonSchema, nested + "{}" + std::string(5000, '}')),
              HasSubstr("nested deeper"));
  EXPECT_NE(error_of(Kind::kRegex, std::string(100000, '(') + std::string(100000, ')')), "");
  EXPECT_THAT(error_of(Kind::kJsonSchema, R"({"$ref":"#"})"), HasSubstr("nothing matches"));
  for (int i = 0; i < 200; ++i) alternatives += std::string(1, static_cast<char>('a' + i % 26)) + ".*|";
  // Whatever these come to, they come to an end: refused, or held for a while, or given up in mid-answer.
  const std::pair<Kind, std::string> sources[] = {
      {Kind::kRegex, "((a{0,1000}){0,1000}){0,1000}b"},
      {Kind::kRegex, "(.*a){20}b"},
      {Kind::kRegex, "[ab]*a[ab]{200}c"},
      {Kind::kRegex, alternatives + "b){50}"},
      {Kind::kRegex, "\\p{L}{1,100000}\\p{N}{1,100000}"},
      {Kind::kJsonSchema,
       R"({"type":"array","items":{"type":"array","maxItems":1000000000},"minItems":999999999})"},
      {Kind::kJsonSchema, R"({"type":"string","minLength":1000000000})"},
      {Kind::kJsonSchema, R"({"type":"integer","multipleOf":1e-300})"},
      {Kind::kJsonSchema, R"({"type":"integer","minimum":1e308,"maximum":1e308})"},
      {Kind::kJsonSchema,
       R"({"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}})"},
      {Kind::kJsonSchema,
       R"({"$defs":{"a":{"allOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/a"}]}},"$ref":"#/$defs/a"})"},
      {Kind::kJsonSchema, R"({"anyOf":[{"$ref":"#"},{"$ref":"#"},{"type":"null"}]})"},
  };
  for (const auto& [kind, source] : sources) {
    try {
      walker_->draw(*make(kind, source), 50);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInput) << error.what();
    }
  }
}

TEST_F(ConstraintTest, VocabulariesOfAllKinds) {
  // SentencePiece's pieces, byte tokens and several tokens that end an answer; Llama 3's are 128 256.
  for (const char* name : {"llama-spm", "llama3.1", "qwen3"}) {
    SCOPED_TRACE(name);
    const auto tokenizer = load_tokenizer(name);
    const ConstraintFactory factory(*tokenizer);
    ConstraintWalker walker(*tokenizer);
    const AnswerFormat format{Kind::kJsonSchema, R"({"type":"array","items":{"type":"string"}})"};
    EXPECT_TRUE(walker.accepts(*factory.make(format), R"(["grün 🎉", "<|im_end|>"])"));
    EXPECT_FALSE(walker.accepts(*factory.make(format), R"(["grün 🎉", 1])"));
    const auto done = factory.make({Kind::kRegex, "x"});
    EXPECT_TRUE(walker.accepts(*done, "x"));
    const std::vector<uint32_t> bits = walker.allowed(*done);
    for (const Token end : tokenizer->end_of_generation())
      EXPECT_TRUE(ConstraintWalker::has(bits, end)) << end;
  }
}

TEST_F(ConstraintTest, ConstraintsOutliveTheirFactory) {
  std::shared_ptr<TokenConstraint> constraint;
  {
    const ConstraintFactory factory(*tokenizer_);
    constraint = factory.make({Kind::kRegex, "a+"});
  }
  EXPECT_TRUE(walker_->accepts(*constraint, "aaa"));
}

}  // namespace
}  // namespace caldera::text

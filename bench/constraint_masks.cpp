// Times the masks of constraints over a vocabulary, for answers that are given: constraint_masks FILE.gguf
// Tokens come from the file's tokenizer; the first mask is part of making a constraint.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "caldera/error.hpp"
#include "gguf/file.hpp"
#include "text/constraint.hpp"

namespace {

using namespace caldera;
using Kind = AnswerFormat::Kind;

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

struct Case {
  const char* name;
  Kind kind;
  std::string source;
  std::string answer;  ///< empty: tokens at random among those allowed
};

std::vector<Case> cases() {
  std::string records = "[", words, names;
  for (int i = 0; i < 40; ++i) {
    records +=
        fmt::format(R"({}{{"name": "Person {}", "age": {}, "email": "p{}@example.org", "tags": ["x"]}})",
                    i == 0 ? "" : ", ", i, 20 + i, i);
    words += "The quick brown fox jumps over the lazy dog, again and again. ";
  }
  for (int i = 0; i < 2000; ++i) names += fmt::format("{}\"value {}\"", i == 0 ? "" : ",", i * 7919);
  return {
      {"object of three members", Kind::kJsonSchema,
       R"({"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"},
           "unit":{"enum":["celsius","fahrenheit"]}},"required":["city","days","unit"],"additionalProperties":false})",
       R"({"city": "San Francisco", "days": 3, "unit": "celsius"})"},
      {"array of records", Kind::kJsonSchema,
       R"({"type":"array","items":{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"},
           "email":{"type":"string","format":"email"},"tags":{"type":"array","items":{"type":"string"}}},
           "required":["name","age","email","tags"],"additionalProperties":false}})",
       records + "]"},
      {"string of bounded length", Kind::kJsonSchema, R"({"type":"string","maxLength":4000})",
       '"' + words + '"'},
      {"one of 2000 names", Kind::kJsonSchema, R"({"enum":[)" + names + "]}", R"("value 7919000")"},
      {"any object", Kind::kJson, "", R"({"records": )" + records + R"(], "text": ")" + words + R"("})"},
      {"a pattern of words", Kind::kRegex, "([A-Za-z,.]+ )+", words},
      {"hostile: many states", Kind::kRegex, "[ab ]*a[ab ]{200}c", ""},
      {"hostile: wide classes", Kind::kRegex, "(\\p{L}{1,1000}\\p{N}{1,1000}){1,1000}", ""},
      {"hostile: nested repetition", Kind::kRegex, "(([a-z ]{0,50}x){0,50}y){0,50}z", ""},
      {"hostile: ambiguous", Kind::kRegex, "(.*a.*b|.*b.*a|.*c.*a){20}", ""},
  };
}

void time_case(const text::Tokenizer& tokenizer, const text::ConstraintFactory& factory, const Case& tried) {
  std::vector<double> times;
  std::string end = "done";
  const auto start = std::chrono::steady_clock::now();
  double made = 0;
  try {
    const auto constraint = factory.make({tried.kind, tried.source});
    made = milliseconds_since(start);
    std::vector<Token> tokens = tokenizer.encode(tried.answer, {.add_special = false});
    const bool random = tokens.empty();
    if (random) tokens.resize(500);
    std::vector<uint32_t> bits((tokenizer.size() + 31) / 32);
    std::mt19937 generator(1);
    for (Token token : tokens) {
      std::ranges::fill(bits, 0);
      const auto before = std::chrono::steady_clock::now();
      constraint->allow(bits);
      times.push_back(milliseconds_since(before));
      const auto allowed = [&](Token t) { return (bits[static_cast<size_t>(t) / 32] >> (t % 32) & 1) != 0; };
      for (int tries = 0; random && tries < 2'000'000 && (tries == 0 || !allowed(token)); ++tries) {
        token = static_cast<Token>(generator() % tokenizer.size());
      }
      if (!allowed(token)) {
        end = fmt::format("stopped before {} ({})", times.size(), tokenizer.piece(token));
        break;
      }
      const auto drawn = std::chrono::steady_clock::now();
      constraint->accept(token);
      times.back() += milliseconds_since(drawn);
    }
  } catch (const Error& error) {
    end = error.what();
  }
  std::ranges::sort(times);
  const auto at = [&](double share) {
    return times.empty() ? 0 : times[static_cast<size_t>(share * static_cast<double>(times.size() - 1))];
  };
  fmt::print("{:<28} {:>9.2f} {:>7} {:>9.3f} {:>9.3f} {:>9.3f}  {}\n", tried.name, made, times.size(),
             at(0.5), at(0.99), at(1), end);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: constraint_masks FILE.gguf\n");
    return 2;
  }
  try {
    const auto tokenizer = text::Tokenizer::create(gguf::File::open(argv[1]).metadata());
    const text::ConstraintFactory factory(*tokenizer);
    const auto start = std::chrono::steady_clock::now();
    factory.make({Kind::kRegex, "a"});
    fmt::print("{} tokens, sorted in {:.0f} ms\n{:<28} {:>9} {:>7} {:>9} {:>9} {:>9}\n", tokenizer->size(),
               milliseconds_since(start), "milliseconds", "made", "masks", "median", "99 %", "longest");
    for (const Case& tried : cases()) time_case(*tokenizer, factory, tried);
  } catch (const Error& error) {
    fmt::print(stderr, "constraint_masks: {}\n", error.what());
    return error.exit_code();
  }
  return 0;
}

#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/pretokenizer.hpp"

#include <fmt/format.h>
#include <pcre2.h>

#include <algorithm>
#include <array>

#include "caldera/error.hpp"

namespace caldera::text {
namespace {

// The patterns are those of the models' own tokenizer.json files, with \p{White_Space} for \s: with Unicode
// properties on, PCRE2's \s also takes U+180E, which has not been white space since Unicode 6.3.
#define WS "\\p{White_Space}"
#define CONTRACTION "'s|'t|'re|'ve|'m|'ll|'d"
#define ANY_CASE_CONTRACTION "(?i:" CONTRACTION ")"
#define TRAILING_SPACE WS "+(?!\\P{White_Space})|" WS "+"
#define LINE_ENDS WS "*[\\r\\n]+"

/// https://huggingface.co/openai-community/gpt2 (the ByteLevel pre-tokenizer)
constexpr PretokenizerKind kGpt2 = {
    .pattern = CONTRACTION "| ?\\p{L}+| ?\\p{N}+| ?[^" WS "\\p{L}\\p{N}]+|" TRAILING_SPACE,
    .ignore_merges = false,
    .adds_bos = false,
    .nfc = false,
};

/// https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct: the Digits pre-tokenizer cuts out each digit,
/// then GPT-2's pattern sees what is between them, so white space before a digit is at an end of its text.
constexpr PretokenizerKind kSmolLm = {
    .pattern = CONTRACTION "|\\p{N}| ?\\p{L}+| ?[^" WS "\\p{L}\\p{N}]+|" WS "+(?![^" WS "\\p{N}])|" WS "+",
    .ignore_merges = false,
    .adds_bos = false,
    .nfc = false,
};

#define CL100K(digits)                                                     \
  ANY_CASE_CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits "| ?[^" WS \
                       "\\p{L}\\p{N}]+[\\r\\n]*|" LINE_ENDS "|" TRAILING_SPACE

/// https://huggingface.co/meta-llama/Llama-3.1-8B
constexpr PretokenizerKind kLlama3 = {
    .pattern = CL100K("\\p{N}{1,3}"),
    .ignore_merges = true,
    .adds_bos = true,
    .nfc = false,
};

/// The same pattern in models whose words obey the merges, such as
/// https://huggingface.co/databricks/dbrx-base.
constexpr PretokenizerKind kLlama3Merges = {
    .pattern = CL100K("\\p{N}{1,3}"),
    .ignore_merges = false,
    .adds_bos = false,
    .nfc = false,
};

/// https://huggingface.co/Qwen/Qwen3-8B
constexpr PretokenizerKind kQwen2 = {
    .pattern = CL100K("\\p{N}"),
    .ignore_merges = false,
    .adds_bos = false,
    .nfc = true,
};

// A word of any script whose capitals, if any, come first.
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define O200K(suffix, digits)                                                                              \
  "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" suffix "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*" suffix \
  "|" digits "| ?[^" WS "\\p{L}\\p{N}]+[\\r\\n/]*|" LINE_ENDS "|" TRAILING_SPACE

/// https://huggingface.co/mistralai/Mistral-Nemo-Instruct-2407
constexpr PretokenizerKind kTekken = {
    .pattern = O200K("", "\\p{N}"),
    .ignore_merges = true,
    .adds_bos = true,
    .nfc = false,
};

/// https://huggingface.co/openai/gpt-oss-20b
constexpr PretokenizerKind kGpt4o = {
    .pattern = O200K(ANY_CASE_CONTRACTION "?", "\\p{N}{1,3}"),
    .ignore_merges = true,
    .adds_bos = false,
    .nfc = false,
};

struct Name {
  std::string_view name;
  const PretokenizerKind& kind;
};

/// The values of `tokenizer.ggml.pre` that llama.cpp's convert_hf_to_gguf.py writes for these patterns.
constexpr std::array kNames = {
    Name{"default", kGpt2},
    Name{"gpt-2", kGpt2},
    Name{"phi-2", kGpt2},
    Name{"smollm", kSmolLm},
    Name{"llama-bpe", kLlama3},
    Name{"llama3", kLlama3},
    Name{"llama-v3", kLlama3},
    Name{"falcon3", kLlama3},
    Name{"lfm2", kLlama3},
    Name{"dbrx", kLlama3Merges},
    Name{"smaug-bpe", kLlama3Merges},
    Name{"qwen2", kQwen2},
    Name{"deepseek-r1-qwen", kQwen2},
    Name{"tekken", kTekken},
    Name{"gpt-4o", kGpt4o},
};

std::string known_names() {
  std::string names;
  for (const Name& entry : kNames) names += (names.empty() ? "" : ", ") + std::string(entry.name);
  return names;
}

// Far above what ordinary text needs, and a bound in time and memory on any other.
constexpr uint32_t kMatchLimit = 10'000'000;
constexpr uint32_t kHeapLimitKiB = 64 * 1024;

}  // namespace

const PretokenizerKind& pretokenizer_kind(std::string_view name) {
  const auto found =
      std::find_if(kNames.begin(), kNames.end(), [&](const Name& n) { return n.name == name; });
  if (found == kNames.end()) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("unknown pre-tokenizer '{}' (tokenizer.ggml.pre); the known ones are {}",
                            name.substr(0, 64), known_names()));
  }
  return found->kind;
}

struct Pretokenizer::Compiled {
  pcre2_code* code = nullptr;
  ~Compiled() { pcre2_code_free(code); }
};

struct Pretokenizer::Words::Engine {
  pcre2_match_data* data = nullptr;
  pcre2_match_context* context = nullptr;
  bool gave_up = false;
  ~Engine() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
  }
};

Pretokenizer::Pretokenizer(const char* pattern) : compiled_(std::make_unique<Compiled>()) {
  int error = 0;
  size_t offset = 0;
  compiled_->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern), PCRE2_ZERO_TERMINATED,
                                  PCRE2_UTF | PCRE2_UCP, &error, &offset, nullptr);
  if (compiled_->code == nullptr) {
    throw Error(
        ErrorKind::kInternal,
        fmt::format("PCRE2 refuses a pre-tokenizer's pattern at byte {} (error {}); it needs PCRE2 10.40 "
                    "or later, built with Unicode",
                    offset, error));
  }
  // Where there is no JIT compiler, matching falls back to PCRE2's interpreter.
  pcre2_jit_compile(compiled_->code, PCRE2_JIT_COMPLETE);
}

Pretokenizer::~Pretokenizer() = default;

Pretokenizer::Words::Words(const Pretokenizer& pretokenizer, std::string_view text)
    : pretokenizer_(pretokenizer), text_(text), engine_(std::make_unique<Engine>()) {
  engine_->data = pcre2_match_data_create(1, nullptr);
  engine_->context = pcre2_match_context_create(nullptr);
  if (engine_->data == nullptr || engine_->context == nullptr) throw std::bad_alloc();
  pcre2_set_match_limit(engine_->context, kMatchLimit);
  pcre2_set_heap_limit(engine_->context, kHeapLimitKiB);
}

Pretokenizer::Words::~Words() = default;

bool Pretokenizer::Words::match() {
  if (engine_->gave_up) return false;
  const auto try_with = [this](uint32_t options) {
    return pcre2_match(pretokenizer_.compiled_->code, reinterpret_cast<PCRE2_SPTR>(text_.data()),
                       text_.size(), at_, PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY | options, engine_->data,
                       engine_->context);
  };
  int result = try_with(0);
  if (result == PCRE2_ERROR_JIT_STACKLIMIT) result = try_with(PCRE2_NO_JIT);
  if (result <= 0) {
    engine_->gave_up = true;
    return false;
  }
  const size_t* bounds = pcre2_get_ovector_pointer(engine_->data);
  match_begin_ = bounds[0];
  match_end_ = bounds[1];
  return true;
}

bool Pretokenizer::Words::next(std::string_view& word) {
  if (at_ >= text_.size()) return false;
  size_t end = text_.size();
  if (match_end_ > at_ || match()) end = match_begin_ > at_ ? match_begin_ : match_end_;
  word = text_.substr(at_, end - at_);
  at_ = end;
  return true;
}

}  // namespace caldera::text

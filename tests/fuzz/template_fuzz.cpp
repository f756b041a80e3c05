// Feeds arbitrary templates to the Jinja parser and evaluator: only Error may come out.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "caldera/error.hpp"
#include "text/jinja/evaluator.hpp"
#include "text/jinja/parser.hpp"
#include "text/jinja/python_text.hpp"

namespace caldera::text::jinja {
namespace {

void render(std::string_view source) {
  static const auto kMessages = nlohmann::ordered_json::parse(
      R"([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Gr\u00fc\u00dfe \ud83c\udf89"},
          {"role": "assistant", "content": "<think>x</think>y", "tool_calls": [{"id": "abcdefghi",
           "function": {"name": "f", "arguments": {"a": [1, 2.5, null, true]}}}]}])");
  // Small, so that the fuzzer's own time and memory limits only meet true defects.
  Limits limits;
  limits.work = 1 << 22;
  limits.text = 1 << 18;
  const Body body = parse(source);
  Runtime runtime(limits);
  Evaluator evaluator(runtime);
  evaluator.define("messages", from_json(runtime, kMessages));
  evaluator.define("tools", Value(None{}));
  evaluator.define("bos_token", runtime.make_string("<s>"));
  evaluator.define("add_generation_prompt", Value(true));
  evaluator.render(body);
}

}  // namespace
}  // namespace caldera::text::jinja

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    caldera::text::jinja::render({reinterpret_cast<const char*>(data), size});
  } catch (const caldera::Error& error) {
    const bool known =
        error.kind() == caldera::ErrorKind::kInput || error.kind() == caldera::ErrorKind::kUnsupported;
    if (!known || std::string_view(error.what()).find('\n') != std::string_view::npos) __builtin_trap();
  }
  return 0;
}

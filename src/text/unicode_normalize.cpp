#include "text/unicode_normalize.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "caldera/error.hpp"

namespace caldera::text {
namespace {

constexpr int kMaxMarks = 128;

const utf8proc_uint8_t* bytes_of(std::string_view text) {
  return reinterpret_cast<const utf8proc_uint8_t*>(text.data());
}

bool has_long_run_of_marks(std::string_view text) {
  int run = 0;
  for (size_t at = 0; at < text.size();) {
    utf8proc_int32_t code = 0;
    const utf8proc_ssize_t length =
        utf8proc_iterate(bytes_of(text) + at, static_cast<utf8proc_ssize_t>(text.size() - at), &code);
    if (length <= 0) return true;
    run = utf8proc_get_property(code)->combining_class == 0 ? 0 : run + 1;
    if (run > kMaxMarks) return true;
    at += static_cast<size_t>(length);
  }
  return false;
}

}  // namespace

std::string_view normalize_nfc(std::string_view text, std::string& storage) {
  // Below U+0300, whose first byte is 0xCC, every character is its own form C and no mark combines.
  const auto may_change = [](char c) { return static_cast<uint8_t>(c) >= 0xCC; };
  if (std::none_of(text.begin(), text.end(), may_change) || has_long_run_of_marks(text)) return text;

  utf8proc_uint8_t* mapped = nullptr;
  const utf8proc_ssize_t length =
      utf8proc_map(bytes_of(text), static_cast<utf8proc_ssize_t>(text.size()), &mapped,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, void (*)(void*)> owner(mapped, std::free);
  if (length < 0) {
    throw Error(ErrorKind::kInternal,
                std::string("Unicode normalization of the prompt failed: ") + utf8proc_errmsg(length));
  }
  storage.assign(reinterpret_cast<const char*>(mapped), static_cast<size_t>(length));
  return storage;
}

}  // namespace caldera::text

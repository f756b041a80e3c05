// How the keys and values of attention are kept.
#pragma once

namespace caldera {

enum class KvFormat {
  kF16,
  kQ8_0,  ///< 8 bits with a scale for each 32: 34 bytes where f16 takes 64
  kQ4_0,  ///< 4 bits with a scale for each 32: 18 bytes
};

/// Keys and values each in a format of its own. Formats with scales need heads that are multiples of 32.
struct KvFormats {
  constexpr KvFormats() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): one format for both is what is mostly meant.
  constexpr KvFormats(KvFormat both) : keys(both), values(both) {}
  constexpr KvFormats(KvFormat of_keys, KvFormat of_values) : keys(of_keys), values(of_values) {}

  KvFormat keys = KvFormat::kF16;
  KvFormat values = KvFormat::kF16;

  friend bool operator==(const KvFormats&, const KvFormats&) = default;
};

}  // namespace caldera

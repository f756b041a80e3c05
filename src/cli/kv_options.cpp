#include "cli/kv_options.hpp"

#include <map>
#include <string>

#include "plan/kv_format.hpp"

namespace caldera::cli {

void declare_kv_options(CLI::App& app, KvFormats& formats) {
  static const std::map<std::string, KvFormat> kFormats = [] {
    std::map<std::string, KvFormat> all;
    for (const KvFormat format : plan::kKvFormats) all.emplace(plan::kv_name(format), format);
    return all;
  }();
  const CLI::IsMember known(&kFormats);
  // Options are taken in the order in which they are declared, whatever that on the command line: so --kv
  // says what the others may change.
  app.add_option_function<std::string>(
         "--kv", [&formats](const std::string& text) { formats = kFormats.at(text); },
         "The format of keys and values: f16 (the default), q8_0 (half the memory) or q4_0 (a quarter)")
      ->check(known);
  app.add_option_function<std::string>(
         "--kv-keys", [&formats](const std::string& text) { formats.keys = kFormats.at(text); },
         "The format of keys alone (default: that of --kv)")
      ->check(known);
  app.add_option_function<std::string>(
         "--kv-values", [&formats](const std::string& text) { formats.values = kFormats.at(text); },
         "The format of values alone (default: that of --kv)")
      ->check(known);
}

}  // namespace caldera::cli

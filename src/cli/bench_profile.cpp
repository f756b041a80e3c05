#include "cli/bench_profile.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/output.hpp"

namespace caldera::cli {
namespace {

using engine::BenchKind;
using engine::BenchTest;
using engine::Profile;
using Json = nlohmann::ordered_json;

std::string microseconds(double seconds) {
  return fmt::format("{:.1f}", seconds * 1e6);
}

std::string share(double part, double whole) {
  return fmt::format("{:.1f} %", whole > 0 ? 100 * part / whole : 0.0);
}

/// Mostly a whole number: runs are alike.
std::string count(double value) {
  return fmt::format("{:.6g}", value);
}

}  // namespace

std::string test_name(const BenchTest& test) {
  return fmt::format("{} {}", test.kind == BenchKind::kDecode ? "decode" : "prompt", test.tokens);
}

std::string profile_heading(const BenchTest& test) {
  const Profile& profile = *test.profile;
  const bool decode = test.kind == BenchKind::kDecode;
  const std::string together =
      test.sequences > 1 ? fmt::format(", {} sequences together", test.sequences) : std::string();
  return fmt::format(
      "profile of {} at depth {}{}: the mean of {} {}, {} dispatches and {} barriers each; without "
      "timestamps {} µs, with them {} µs",
      test_name(test), test.depth, together, profile.runs, decode ? "steps" : "prompts",
      count(profile.dispatches), count(profile.barriers), microseconds(test.run_seconds()),
      microseconds(profile.seconds));
}

Table profile_table(const Profile& profile) {
  Table table{{"operation", "dispatches", "µs", "share", "µs each", "MB", "GB/s"}, {}};
  for (const engine::ProfiledOperation& one : profile.operations) {
    const bool reads = one.bytes > 0;
    table.rows.push_back({one.name, count(one.count), microseconds(one.seconds),
                          share(one.seconds, profile.seconds), microseconds(one.median_seconds),
                          reads ? fmt::format("{:.1f}", one.bytes / 1e6) : "",
                          reads ? fmt::format("{:#.3g}", one.gigabytes_per_second()) : ""});
  }
  table.rows.push_back({"gaps", count(profile.gaps), microseconds(profile.gap_seconds),
                        share(profile.gap_seconds, profile.seconds), microseconds(profile.median_gap_seconds),
                        "", ""});
  table.rows.push_back({"all", count(profile.dispatches), microseconds(profile.seconds),
                        share(profile.seconds, profile.seconds), "", "", ""});
  return table;
}

Json profile_json(const BenchTest& test) {
  const Profile& profile = *test.profile;
  Json operations = Json::array();
  for (const engine::ProfiledOperation& one : profile.operations) {
    operations.push_back({{"name", one.name},
                          {"dispatches", one.count},
                          {"microseconds", one.seconds * 1e6},
                          {"median_microseconds", one.median_seconds * 1e6},
                          {"bytes", one.bytes},
                          {"gigabytes_per_second", one.gigabytes_per_second()}});
  }
  return {{"runs", profile.runs},
          {"dispatches", profile.dispatches},
          {"barriers", profile.barriers},
          {"microseconds", profile.seconds * 1e6},
          {"microseconds_without_timestamps", test.run_seconds() * 1e6},
          {"operations", std::move(operations)},
          {"gaps",
           {{"count", profile.gaps},
            {"microseconds", profile.gap_seconds * 1e6},
            {"median_microseconds", profile.median_gap_seconds * 1e6}}}};
}

}  // namespace caldera::cli

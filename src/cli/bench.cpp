// caldera bench [MODEL | --synthetic SHAPE:FORMAT]
#include "engine/bench.hpp"

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>

#include "caldera/error.hpp"
#include "cli/bench_plot.hpp"
#include "cli/bench_report.hpp"
#include "cli/command.hpp"
#include "cli/interrupt.hpp"
#include "cli/load_options.hpp"
#include "cli/machine_options.hpp"
#include "cli/model_argument.hpp"
#include "cli/output.hpp"
#include "cli/parse.hpp"
#include "cli/progress_bar.hpp"
#include "gguf/output_file.hpp"
#include "hub/model_folder.hpp"
#include "plan/families.hpp"

namespace caldera::cli {
namespace {

constexpr uint64_t kMostTokens = uint64_t{1} << 24;
constexpr size_t kMostTests = 64;  // of one list: a slip of the finger should not run for days

struct Options {
  std::string model;
  std::string synthetic;
  std::string format = "table";
  std::string plot;
  bool json = false;
  bool quiet = false;
  engine::BenchOptions bench;
  MachineOptions machine;
};

/// "512" or "0,16384".
std::vector<uint32_t> parse_list(std::string_view name, const std::string& text) {
  std::vector<uint32_t> values;
  size_t start = 0;
  while (start <= text.size()) {
    const size_t comma = std::min(text.find(',', start), text.size());
    values.push_back(static_cast<uint32_t>(
        parse_integer(name, std::string_view(text).substr(start, comma - start), 0, kMostTokens)));
    if (values.size() > kMostTests) {
      throw Error(ErrorKind::kUsage, fmt::format("{} names more than {} numbers", name, kMostTests));
    }
    start = comma + 1;
  }
  return values;
}

engine::BenchReport measure(Options& options) {
  ProgressBar bar("bench", !options.quiet);
  options.bench.progress = [&](const engine::BenchProgress& progress) {
    bar.update(progress.done, progress.total, progress.what);
    return !interrupt::pending();
  };
  try {
    if (!options.model.empty()) return engine::bench(hub::find_model(options.model), options.bench);
    return engine::bench(plan::shape_named(options.synthetic), options.bench);
  } catch (const Error&) {
    if (interrupt::pending()) throw Interrupted();
    throw;
  }
}

/// Refuses before the bench begins what could not be drawn after it. Errors: kUsage, kFile.
void check_plot(const Options& options) {
  const std::filesystem::path path = options.plot;
  if (path.extension() != ".svg") {
    throw Error(ErrorKind::kUsage, fmt::format("{}: plots are written as SVG: name a file that ends in .svg "
                                               "(rsvg-convert makes a PNG of it)",
                                               escape(options.plot)));
  }
  const auto& decodes = options.bench.decodes;
  if (std::all_of(decodes.begin(), decodes.end(), [](uint32_t tokens) { return tokens == 0; })) {
    throw Error(ErrorKind::kUsage, "there is nothing to plot: --plot shows decode tests");
  }
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    throw Error(ErrorKind::kFile, fmt::format("{}: cannot be written: it is a folder", escape(options.plot)));
  }
  gguf::OutputFile can_be_written(path);
}

void write_plot(const Options& options, const engine::BenchReport& report, std::time_t now) {
  std::tm day{};
  gmtime_r(&now, &day);
  const std::string date = fmt::format("{:04}-{:02}-{:02}", day.tm_year + 1900, day.tm_mon + 1, day.tm_mday);
  const std::string svg = bench_plot(report, date);
  gguf::OutputFile file(options.plot);
  file.write(std::as_bytes(std::span(svg)));
  file.commit();
}

int run(Options& options) {
  if (options.model.empty() == options.synthetic.empty()) {
    throw Error(ErrorKind::kUsage, "name one thing to measure: a GGUF file, or --synthetic SHAPE:FORMAT");
  }
  if (options.json) options.format = "json";
  if (!options.plot.empty()) check_plot(options);
  const std::time_t start = std::time(nullptr);
  const auto cooling = keep_cool(options.machine, options.bench.load);
  const engine::BenchReport report = measure(options);
  if (cooling && !options.quiet) say("{}", describe_cooling(cooling->report()));
  if (options.format == "json") {
    write_json(bench_json(report));
  } else {
    write_out(options.format == "markdown" ? bench_markdown(report) : bench_table(report));
  }
  if (!options.plot.empty()) write_plot(options, report, start);
  return 0;
}

}  // namespace

void declare_bench(CLI::App& app, Action& action) {
  const auto options = std::make_shared<Options>();
  const auto list = [&](const char* flags, const char* name, std::vector<uint32_t>& values,
                        const char* help) {
    app.add_option_function<std::string>(
        flags, [name, &values](const std::string& text) { values = parse_list(name, text); }, help);
  };
  add_model_argument(app, options->model);
  app.add_option("--synthetic", options->synthetic,
                 "Random weights of a known shape instead of a file: llama-3.1-8b:q4_k_m");
  list("-p,--prompt", "--prompt", options->bench.prompts,
       "Tokens of each prompt test, separated by commas; 0: none (default: 512)");
  list("-n,--decode", "--decode", options->bench.decodes,
       "Tokens of each decode test, separated by commas; 0: none (default: 128)");
  list("-d,--depth", "--depth", options->bench.depths,
       "Tokens in the context before each test, separated by commas (default: 0)");
  list("-s,--sequences", "--sequences", options->bench.sequences,
       "Sequences decoded together in each decode test, 1 to 64, separated by commas (default: 1)");
  app.add_option_function<std::string>(
      "-r,--repeats",
      [options](const std::string& text) {
        options->bench.repeats = static_cast<uint32_t>(parse_integer("--repeats", text, 1, 1000));
      },
      "How often each test is run (default: 5); the median counts");
  declare_load_options(app, options->bench.load);
  declare_machine_options(app, options->machine);
  app.add_flag("--profile", options->bench.profile,
               "After each test, show where its time goes: timestamps around every dispatch");
  app.add_option("--plot", options->plot, "Draw decode tests against depth: a file that ends in .svg");
  app.add_option("--format", options->format, "How to print the result: table, markdown or json")
      ->check(CLI::IsMember({"table", "markdown", "json"}));
  app.add_flag("--json", options->json, "The same as --format json");
  app.add_flag("-q,--quiet", options->quiet, "Show no progress");
  app.add_flag("--validation", options->bench.load.validation,
               "Switch the Khronos validation layer on (it must be installed)");
  app.callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace caldera::cli

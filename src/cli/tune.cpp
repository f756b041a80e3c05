// caldera tune [MODEL | --synthetic SHAPE:FORMAT] [--forget]
#include "engine/tune.hpp"

#include <memory>
#include <nlohmann/json.hpp>

#include "caldera/error.hpp"
#include "cli/command.hpp"
#include "cli/interrupt.hpp"
#include "cli/load_options.hpp"
#include "cli/model_argument.hpp"
#include "cli/output.hpp"
#include "cli/progress_bar.hpp"
#include "cli/table.hpp"
#include "hub/model_folder.hpp"
#include "plan/families.hpp"
#include "quant/format.hpp"

namespace caldera::cli {
namespace {

using Json = nlohmann::ordered_json;
using kernels::TunedProduct;
using kernels::TunedTiles;

constexpr double kMostSeconds = 600;

struct Options {
  std::string model;
  std::string synthetic;
  bool forget = false;
  bool json = false;
  bool quiet = false;
  engine::TuneRequest request;
};

std::string name_of(const kernels::ProductKey& key) {
  return fmt::format("{} {}x{}{}, {} vector{}", quant::info(key.format).name, key.rows, key.columns,
                     key.pairs ? ", gate and up" : "", key.vectors, key.vectors == 1 ? "" : "s");
}

std::string microseconds(double seconds) {
  return seconds > 0 ? fmt::format("{:.1f}", seconds * 1e6) : "-";
}

/// The last cells of a row: sizes of rows that are streamed, or of a tile.
std::vector<std::string> cells_of(const kernels::ProductChoice& choice) {
  const auto number = [](uint32_t value) { return fmt::format("{}", value); };
  if (!choice.tile) {
    return {number(choice.subgroups), number(choice.rows), number(choice.unroll), number(choice.passes),
            number(choice.ahead)};
  }
  const kernels::Int8Tile& tile = *choice.tile;
  return {fmt::format("tile {}x{}", tile.rows, tile.columns),
          fmt::format("{}x{}", tile.lane_rows, tile.lane_columns), number(tile.units), number(tile.slices),
          number(tile.ahead)};
}

std::string table_of(const engine::TuneReport& report) {
  Table table{{"product", "in a step", "tried", "us before", "us now", "GB/s", "subgroups", "rows", "unroll",
               "passes", "ahead"},
              {}};
  for (const TunedProduct& product : report.products) {
    const double speed = product.seconds > 0 ? static_cast<double>(product.bytes) / product.seconds / 1e9 : 0;
    table.rows.push_back({name_of(product.key), fmt::format("{}", product.products),
                          fmt::format("{}", product.tried), microseconds(product.usual_seconds),
                          microseconds(product.seconds), speed > 0 ? fmt::format("{:.0f}", speed) : "-"});
    for (std::string& cell : cells_of(product.choice)) table.rows.back().push_back(std::move(cell));
  }
  return aligned(table);
}

std::string table_of(const std::vector<TunedTiles>& products) {
  Table table{{"prompt product", "in a batch", "tried", "us before", "us now", "TFLOP/s", "tile",
               "a subgroup's", "step", "buffers", "parts", "instruction"},
              {}};
  for (const TunedTiles& product : products) {
    const auto& [format, rows, columns, tokens] = product.key;
    const auto& tiles = product.tiles;
    const double operations = 2.0 * rows * columns * tokens;
    table.rows.push_back(
        {fmt::format("{} {}x{}, {} tokens", quant::info(format).name, rows, columns, tokens),
         fmt::format("{}", product.products), fmt::format("{}", product.tried),
         microseconds(product.usual_seconds), microseconds(product.seconds),
         product.seconds > 0 ? fmt::format("{:.0f}", operations / product.seconds / 1e12) : "-",
         fmt::format("{}x{}", tiles.tokens, tiles.rows),
         fmt::format("{}x{}", tiles.tile_tokens, tiles.tile_rows), fmt::format("{}", tiles.step),
         fmt::format("{}", tiles.buffers), fmt::format("{}", tiles.parts),
         fmt::format("{}x{}x{}", tiles.shape.m, tiles.shape.n, tiles.shape.k)});
  }
  return aligned(table);
}

Json to_json(const kernels::ProductChoice& choice) {
  if (choice.tile) {
    const auto& [rows, columns, lane_rows, lane_columns, units, slices, ahead] = *choice.tile;
    return {{"tile",
             {{"rows", rows},
              {"columns", columns},
              {"lane_rows", lane_rows},
              {"lane_columns", lane_columns},
              {"units", units},
              {"slices", slices},
              {"ahead", ahead}}}};
  }
  return {{"subgroups", choice.subgroups},
          {"rows", choice.rows},
          {"unroll", choice.unroll},
          {"passes", choice.passes},
          {"ahead", choice.ahead}};
}

Json to_json(const TunedProduct& product) {
  const auto& [key, choice, products, bytes, tried, remembered, seconds, usual_seconds] = product;
  return {{"format", quant::info(key.format).name},
          {"rows", key.rows},
          {"columns", key.columns},
          {"vectors", key.vectors},
          {"group_rows", key.group_rows},
          {"pairs", key.pairs},
          {"in_a_step", products},
          {"bytes", bytes},
          {"tried", tried},
          {"usual_microseconds", usual_seconds * 1e6},
          {"microseconds", seconds * 1e6},
          {"choice", to_json(choice)}};
}

Json to_json(const TunedTiles& product) {
  const kernels::MatrixTiles& tiles = product.tiles;
  return {{"format", quant::info(product.key.format).name},
          {"rows", product.key.rows},
          {"columns", product.key.columns},
          {"tokens", product.key.tokens},
          {"in_a_batch", product.products},
          {"tried", product.tried},
          {"usual_microseconds", product.usual_seconds * 1e6},
          {"microseconds", product.seconds * 1e6},
          {"tiles",
           {{"tokens", tiles.tokens},
            {"rows", tiles.rows},
            {"tile_tokens", tiles.tile_tokens},
            {"tile_rows", tiles.tile_rows},
            {"step", tiles.step},
            {"buffers", tiles.buffers},
            {"parts", tiles.parts},
            {"instruction", {tiles.shape.m, tiles.shape.n, tiles.shape.k}}}}};
}

int forget(const Options& options) {
  if (!options.model.empty() || !options.synthetic.empty()) {
    throw Error(ErrorKind::kUsage, "--forget is for a device and all its models: name none");
  }
  const auto file = engine::forget_tuning(options.request.load.device);
  if (options.json) {
    write_json({{"forgot", file ? Json(file->string()) : Json()}});
  } else if (file) {
    write_out(fmt::format("deleted {}\n", escape(file->string())));
  } else {
    write_out("nothing is remembered for this device\n");
  }
  return 0;
}

engine::TuneReport tune(Options& options) {
  ProgressBar bar("load", !options.quiet);
  options.request.load.progress = [&](const LoadProgress& progress) {
    bar.update(progress.bytes_done, progress.bytes_total, "placing weights");
    return !interrupt::pending();
  };
  try {
    if (!options.model.empty()) return engine::tune(hub::find_model(options.model), options.request);
    return engine::tune(plan::shape_named(options.synthetic), options.request);
  } catch (const Error&) {
    if (interrupt::pending()) throw Interrupted();
    throw;
  }
}

int run(Options& options) {
  if (options.forget) return forget(options);
  if (options.model.empty() == options.synthetic.empty()) {
    throw Error(ErrorKind::kUsage, "name one model to tune for: a GGUF file, or --synthetic SHAPE:FORMAT");
  }
  const engine::TuneReport report = tune(options);
  if (options.json) {
    Json products = Json::array();
    for (const TunedProduct& product : report.products) products.push_back(to_json(product));
    Json prompt_products = Json::array();
    for (const TunedTiles& product : report.prompt_products) prompt_products.push_back(to_json(product));
    write_json({{"device", report.device.name},
                {"driver", report.device.driver},
                {"tunable", report.tunable},
                {"prompts_tunable", report.prompts_tunable},
                {"seconds", report.seconds},
                {"file", report.file.empty() ? Json() : Json(report.file.string())},
                {"products", std::move(products)},
                {"prompt_products", std::move(prompt_products)}});
    return 0;
  }
  say("device: {} ({})", escape(report.device.name), escape(report.device.driver));
  if (!report.tunable && !report.prompts_tunable) {
    write_out(
        "there is nothing to tune: decoding with 8-bit activations does not suit this device, and prompts "
        "have "
        "no matrix units\n");
    return 0;
  }
  if (report.tunable) {
    write_out(table_of(report));
  } else {
    say("decoding with 8-bit activations does not suit this device: there is nothing to tune");
  }
  if (!report.prompts_tunable) {
    say("prompts have no matrix units on this device: there is nothing to tune for them");
  } else if (!report.prompt_products.empty()) {
    write_out((report.tunable ? "\n" : "") + table_of(report.prompt_products));
  }
  say("tuned in {:.1f} s, {}", report.seconds,
      report.file.empty() ? "and remembered nowhere: there is no cache folder"
                          : "remembered in " + escape(report.file.string()));
  return 0;
}

}  // namespace

void declare_tune(CLI::App& app, Action& action) {
  const auto options = std::make_shared<Options>();
  add_model_argument(app, options->model);
  app.add_option("--synthetic", options->synthetic,
                 "Random weights of a known shape instead of a file: llama-3.1-8b:q4_k_m");
  app.add_option("-s,--sequences", options->request.sequences,
                 "Sequences decoded together, separated by commas: 1,8 (default: 1)")
      ->delimiter(',')
      ->check(CLI::Range(1, 8));
  app.add_option(
         "-p,--prompt", options->request.prompts,
         "Tokens of batches of a prompt to tune for, separated by commas; 0: none (default: 512, and the "
         "largest that prompts are read in)")
      ->delimiter(',')
      ->check(CLI::Range(uint32_t{0}, engine::kMostBatch));
  app.add_option("--seconds", options->request.seconds, "Most time to spend for each of them (default: 10)")
      ->check(CLI::Range(0.0, kMostSeconds));
  app.add_flag("--forget", options->forget, "Delete what is remembered for the device");
  declare_load_options(app, options->request.load);
  app.add_flag("--json", options->json, "Print JSON");
  app.add_flag("-q,--quiet", options->quiet, "Show no progress");
  app.callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace caldera::cli

// A test double of tuning: one product, and what it was asked for in its figures.
#include "caldera/error.hpp"
#include "engine/tune.hpp"

namespace caldera::engine {
namespace {

TuneReport report_of(const TuneRequest& request) {
  TuneReport report;
  report.device = list_devices(request.load.device).front();
  report.tunable = request.load.arithmetic != Arithmetic::kF32;
  report.seconds = request.seconds / 2;
  if (!report.tunable) return report;
  report.file = "/cache/fake.products.json";
  for (const uint32_t vectors : request.sequences) {
    report.products.push_back({{quant::Format::kQ4_K, 4096, 2048, vectors, 64, vectors == 1},
                               {8, 2, 2, 1},
                               32,
                               4'718'592,
                               21,
                               false,
                               2e-6,
                               2.5e-6});
  }
  report.prompts_tunable = request.load.arithmetic != Arithmetic::kInt8;
  for (const uint32_t tokens : request.prompts.value_or(std::vector<uint32_t>())) {
    if (!report.prompts_tunable || tokens == 0) continue;
    kernels::TunedTiles product;
    product.key = {quant::Format::kQ4_K, 4096, 2048, tokens};
    product.tiles.tokens = product.tiles.rows = 128;
    product.tiles.tile_tokens = product.tiles.tile_rows = 64;
    product.tiles.shape = {16, 8, 16};
    product.products = 32;
    product.tried = 13;
    product.seconds = 40e-6;
    product.usual_seconds = 50e-6;
    report.prompt_products.push_back(product);
  }
  return report;
}

}  // namespace

TuneReport tune(const std::filesystem::path& model, const TuneRequest& request) {
  if (model == "missing.gguf") throw Error(ErrorKind::kFile, "missing.gguf: cannot open");
  return report_of(request);
}

TuneReport tune(const plan::ModelShape& /*shape*/, const TuneRequest& request) {
  return report_of(request);
}

std::optional<std::filesystem::path> forget_tuning(const std::string& device) {
  if (device == "1") return std::nullopt;
  return "/cache/fake.products.json";
}

}  // namespace caldera::engine

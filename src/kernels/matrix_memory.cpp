// The tiles that tuning found, beside the choices of other products.
#include <algorithm>
#include <optional>

#include "kernels/matrix_tuner.hpp"
#include "quant/format.hpp"

namespace caldera::kernels {
namespace {

constexpr const char* kList = "matrix products";

MemoryJson to_json(const MatrixKey& key, const RememberedTiles& remembered) {
  const MatrixTiles& tiles = remembered.tiles;
  return {{"format", quant::info(key.format).name},
          {"rows", key.rows},
          {"columns", key.columns},
          {"tokens", key.tokens},
          {"tiles",
           {{"tokens", tiles.tokens},
            {"rows", tiles.rows},
            {"tile_tokens", tiles.tile_tokens},
            {"tile_rows", tiles.tile_rows},
            {"step", tiles.step},
            {"buffers", tiles.buffers},
            {"m", tiles.shape.m},
            {"n", tiles.shape.n},
            {"k", tiles.shape.k},
            {"parts", tiles.parts}}},
          {"microseconds", remembered.microseconds}};
}

std::optional<std::pair<MatrixKey, RememberedTiles>> matrix_of(const MemoryJson& object,
                                                               const MatrixUnits& units) {
  if (!object.is_object()) return std::nullopt;
  MemoryFields fields(object);
  const std::string format = fields.text("format");
  const auto formats = quant::formats();
  const auto found = std::ranges::find(formats, std::string_view(format), &quant::FormatInfo::name);
  const auto tiles = object.find("tiles");
  if (found == formats.end() || tiles == object.end() || !tiles->is_object()) return std::nullopt;
  MemoryFields chosen(*tiles);
  const MatrixKey key{found->format, fields.number("rows"), fields.number("columns"),
                      fields.number("tokens")};
  RememberedTiles remembered;
  remembered.tiles = {chosen.number("tokens"),
                      chosen.number("rows"),
                      chosen.number("tile_tokens"),
                      chosen.number("tile_rows"),
                      chosen.number("step"),
                      chosen.number("buffers"),
                      {chosen.number("m"), chosen.number("n"), chosen.number("k")},
                      chosen.number("parts")};
  const auto microseconds = object.find("microseconds");
  if (microseconds != object.end() && microseconds->is_number()) {
    remembered.microseconds = microseconds->get<double>();
  }
  if (!fields.complete() || !chosen.complete() || !possible(remembered.tiles, key.format, units)) {
    return std::nullopt;
  }
  return std::pair(key, remembered);
}

}  // namespace

RememberedMatrices read_matrix_memory(const std::filesystem::path& file, const MemoryOwner& owner,
                                      const MatrixUnits& units) {
  RememberedMatrices matrices;
  for (const MemoryJson& object : read_memory_list(file, owner, kList)) {
    const auto matrix = matrix_of(object, units);
    if (!matrix) return {};
    matrices.insert(*matrix);
  }
  return matrices;
}

void write_matrix_memory(const std::filesystem::path& file, const MemoryOwner& owner,
                         const RememberedMatrices& matrices) {
  MemoryJson list = MemoryJson::array();
  for (const auto& [key, remembered] : matrices) list.push_back(to_json(key, remembered));
  write_memory_list(file, owner, kList, std::move(list));
}

}  // namespace caldera::kernels

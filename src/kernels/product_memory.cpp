#include "kernels/product_memory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "kernels/memory_file.hpp"
#include "kernels/product_candidates.hpp"
#include "kernels/shader_list.hpp"
#include "quant/format.hpp"

namespace caldera::kernels {
namespace {

using Json = MemoryJson;

/// The name of the list in the file.
constexpr const char* kList = "products";

/// FNV-1a (64 bits, as of draft-eastlake-fnv) over the words of every kernel of products that is tuned.
std::string kernels_hash() {
  uint64_t hash = 0xcbf29ce484222325;
  for (const vulkan::Shader& shader : shader_list()) {
    const bool timed = shader.name.starts_with("matvec_int8") || shader.name.starts_with("matmul_int8") ||
                       shader.name.starts_with("matmul_units") || shader.name.starts_with("matvec_units") ||
                       shader.name.starts_with("matvec_fragments");
    if (!timed) continue;
    for (const uint32_t word : shader.code) hash = (hash ^ word) * 0x100000001b3;
  }
  return fmt::format("{:016x}", hash);
}

Json to_json(const Int8Tile& tile) {
  return {{"rows", tile.rows},           {"columns", tile.columns},
          {"lane_rows", tile.lane_rows}, {"lane_columns", tile.lane_columns},
          {"units", tile.units},         {"slices", tile.slices},
          {"ahead", tile.ahead}};
}

Json to_json(const MatvecUnits& units) {
  return {{"tiles", units.tiles}, {"row_groups", units.row_groups}, {"slices", units.slices},
          {"units", units.units}, {"ahead", units.ahead},           {"fragments", units.fragments}};
}

Json to_json(const ProductChoice& choice) {
  if (choice.units) return {{"matrix_units", to_json(*choice.units)}};
  if (choice.tile) return {{"tile", to_json(*choice.tile)}};
  return {{"subgroups", choice.subgroups},
          {"rows", choice.rows},
          {"unroll", choice.unroll},
          {"passes", choice.passes},
          {"ahead", choice.ahead}};
}

Json to_json(const ProductKey& key, const RememberedChoice& remembered) {
  return {{"format", quant::info(key.format).name},
          {"rows", key.rows},
          {"columns", key.columns},
          {"vectors", key.vectors},
          {"group_rows", key.group_rows},
          {"pairs", key.pairs},
          {"choice", to_json(remembered.choice)},
          {"microseconds", remembered.microseconds}};
}

/// What to_json() made of a choice.
std::optional<ProductChoice> choice_of(const Json& object) {
  const auto tile = object.find("tile");
  const auto units = object.find("matrix_units");
  for (const auto& part : {tile, units}) {
    if (part != object.end() && !part->is_object()) return std::nullopt;
  }
  MemoryFields fields(units != object.end() ? *units : tile != object.end() ? *tile : object);
  ProductChoice choice;
  if (units != object.end()) {
    choice.units = {fields.number("tiles"), fields.number("row_groups"), fields.number("slices"),
                    fields.number("units"), fields.number("ahead"),      fields.number("fragments")};
  } else if (tile != object.end()) {
    choice.tile = {fields.number("rows"),         fields.number("columns"), fields.number("lane_rows"),
                   fields.number("lane_columns"), fields.number("units"),   fields.number("slices"),
                   fields.number("ahead")};
  } else {
    choice = {fields.number("subgroups"), fields.number("rows"), fields.number("unroll"),
              fields.number("passes"), fields.number("ahead")};
  }
  return fields.complete() ? std::optional(choice) : std::nullopt;
}

std::optional<std::pair<ProductKey, RememberedChoice>> product_of(const Json& object,
                                                                  const WorkgroupLimits& limits) {
  if (!object.is_object()) return std::nullopt;
  MemoryFields fields(object);
  const std::string format = fields.text("format");
  const auto formats = quant::formats();
  const auto found = std::ranges::find(formats, std::string_view(format), &quant::FormatInfo::name);
  const auto choice = object.find("choice");
  if (found == formats.end() || choice == object.end() || !choice->is_object()) return std::nullopt;
  const std::optional<ProductChoice> chosen = choice_of(*choice);
  const ProductKey key{found->format,
                       fields.number("rows"),
                       fields.number("columns"),
                       fields.number("vectors"),
                       fields.number("group_rows"),
                       fields.flag("pairs")};
  RememberedChoice remembered;
  const auto microseconds = object.find("microseconds");
  if (microseconds != object.end() && microseconds->is_number()) {
    remembered.microseconds = microseconds->get<double>();
  }
  if (!fields.complete() || !chosen || !possible(*chosen, key, limits)) return std::nullopt;
  remembered.choice = *chosen;
  return std::pair(key, remembered);
}

}  // namespace

std::filesystem::path product_memory_file(const vulkan::PipelineStore& pipelines) {
  std::filesystem::path file = pipelines.cache_file();
  if (!file.empty()) file.replace_extension(".products.json");
  return file;
}

ProductMemoryOwner product_memory_owner(const vulkan::Device& device, const WorkgroupLimits& limits) {
  const DeviceInfo& info = device.physical().info;
  return {{info.name, info.driver, kernels_hash()}, limits};
}

RememberedChoices read_product_memory(const std::filesystem::path& file, const ProductMemoryOwner& owner) {
  RememberedChoices choices;
  for (const Json& object : read_memory_list(file, owner, kList)) {
    const auto product = product_of(object, owner.limits);
    if (!product) return {};
    choices.insert(*product);
  }
  return choices;
}

void write_product_memory(const std::filesystem::path& file, const ProductMemoryOwner& owner,
                          const RememberedChoices& choices) {
  Json products = Json::array();
  for (const auto& [key, remembered] : choices) products.push_back(to_json(key, remembered));
  write_memory_list(file, owner, kList, std::move(products));
}

}  // namespace caldera::kernels

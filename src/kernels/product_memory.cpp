#include "kernels/product_memory.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "kernels/product_candidates.hpp"
#include "kernels/shader_list.hpp"
#include "quant/format.hpp"

namespace caldera::kernels {
namespace {

using Json = nlohmann::ordered_json;

/// More is not ours: some hundred keys of 300 bytes each.
constexpr std::streamsize kMostBytes = 1 << 20;

/// FNV-1a (64 bits, as of draft-eastlake-fnv) over the words of every kernel of products of int8 vectors.
std::string kernels_hash() {
  uint64_t hash = 0xcbf29ce484222325;
  for (const vulkan::Shader& shader : shader_list()) {
    if (!shader.name.starts_with("matvec_int8")) continue;
    for (const uint32_t word : shader.code) hash = (hash ^ word) * 0x100000001b3;
  }
  return fmt::format("{:016x}", hash);
}

Json to_json(const ProductKey& key, const RememberedChoice& remembered) {
  const ProductChoice& choice = remembered.choice;
  return {{"format", quant::info(key.format).name},
          {"rows", key.rows},
          {"columns", key.columns},
          {"vectors", key.vectors},
          {"group_rows", key.group_rows},
          {"pairs", key.pairs},
          {"choice",
           {{"subgroups", choice.subgroups},
            {"rows", choice.rows},
            {"unroll", choice.unroll},
            {"passes", choice.passes},
            {"ahead", choice.ahead}}},
          {"microseconds", remembered.microseconds}};
}

/// The quoted fields of an object, of which each must be there and of its type.
class Fields {
 public:
  explicit Fields(const Json& object) : object_(object) {}
  bool complete() const { return complete_; }

  uint32_t number(const char* name) {
    const auto found = object_.find(name);
    if (found == object_.end() || !found->is_number_unsigned() || found->get<uint64_t>() > UINT32_MAX) {
      complete_ = false;
      return 0;
    }
    return found->get<uint32_t>();
  }
  bool flag(const char* name) {
    const auto found = object_.find(name);
    if (found != object_.end() && found->is_boolean()) return found->get<bool>();
    complete_ = false;
    return false;
  }
  std::string text(const char* name) {
    const auto found = object_.find(name);
    if (found != object_.end() && found->is_string()) return found->get<std::string>();
    complete_ = false;
    return {};
  }

 private:
  const Json& object_;
  bool complete_ = true;
};

std::optional<std::pair<ProductKey, RememberedChoice>> product_of(const Json& object,
                                                                  const WorkgroupLimits& limits) {
  if (!object.is_object()) return std::nullopt;
  Fields fields(object);
  const std::string format = fields.text("format");
  const auto formats = quant::formats();
  const auto found = std::ranges::find(formats, std::string_view(format), &quant::FormatInfo::name);
  const auto choice = object.find("choice");
  if (found == formats.end() || choice == object.end() || !choice->is_object()) return std::nullopt;
  Fields chosen(*choice);
  const ProductKey key{found->format,
                       fields.number("rows"),
                       fields.number("columns"),
                       fields.number("vectors"),
                       fields.number("group_rows"),
                       fields.flag("pairs")};
  RememberedChoice remembered;
  remembered.choice = {chosen.number("subgroups"), chosen.number("rows"), chosen.number("unroll"),
                       chosen.number("passes"), chosen.number("ahead")};
  const auto microseconds = object.find("microseconds");
  if (microseconds != object.end() && microseconds->is_number()) {
    remembered.microseconds = microseconds->get<double>();
  }
  if (!fields.complete() || !chosen.complete() || !possible(remembered.choice, key, limits)) {
    return std::nullopt;
  }
  return std::pair(key, remembered);
}

/// The file's text; nothing where it cannot be read or is far too long.
std::string read_text(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string text(kMostBytes, '\0');
  stream.read(text.data(), kMostBytes);
  const std::streamsize bytes = stream.gcount();
  text.resize(bytes < kMostBytes ? static_cast<size_t>(bytes) : 0);
  return text;
}

}  // namespace

std::filesystem::path product_memory_file(const vulkan::PipelineStore& pipelines) {
  std::filesystem::path file = pipelines.cache_file();
  if (!file.empty()) file.replace_extension(".products.json");
  return file;
}

ProductMemoryOwner product_memory_owner(const vulkan::Device& device, const WorkgroupLimits& limits) {
  const DeviceInfo& info = device.physical().info;
  return {info.name, info.driver, kernels_hash(), limits};
}

RememberedChoices read_product_memory(const std::filesystem::path& file, const ProductMemoryOwner& owner) {
  RememberedChoices choices;
  if (file.empty()) return choices;
  const Json json = Json::parse(read_text(file), nullptr, false);
  if (!json.is_object()) return choices;
  Fields fields(json);
  if (fields.text("device") != owner.device || fields.text("driver") != owner.driver ||
      fields.text("kernels") != owner.kernels) {
    return choices;
  }
  const auto products = json.find("products");
  if (products == json.end() || !products->is_array()) return choices;
  for (const Json& object : *products) {
    const auto product = product_of(object, owner.limits);
    if (!product) return {};
    choices.insert(*product);
  }
  return choices;
}

void write_product_memory(const std::filesystem::path& file, const ProductMemoryOwner& owner,
                          const RememberedChoices& choices) {
  if (file.empty()) return;
  Json products = Json::array();
  for (const auto& [key, remembered] : choices) products.push_back(to_json(key, remembered));
  const Json json = {{"about", "How products run best on this device; 'caldera tune --forget' deletes it."},
                     {"device", owner.device},
                     {"driver", owner.driver},
                     {"kernels", owner.kernels},
                     {"products", std::move(products)}};
  // A driver's name need not be UTF-8: what is not is replaced, and then matches nothing when it is read.
  const std::string text = json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
  std::error_code ignored;
  std::filesystem::create_directories(file.parent_path(), ignored);
  const std::filesystem::path part = file.string() + fmt::format(".{}.part", getpid());
  {
    std::ofstream stream(part, std::ios::binary);
    stream.write(text.data(), static_cast<std::streamsize>(text.size()));
    stream.close();
    if (!stream) {
      std::filesystem::remove(part, ignored);
      return;
    }
  }
  std::filesystem::rename(part, file, ignored);
  if (ignored) std::filesystem::remove(part, ignored);
}

}  // namespace caldera::kernels

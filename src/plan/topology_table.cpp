#include "plan/topology_table.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>

#include "caldera/error.hpp"
#include "plan/usable_heaps.hpp"

namespace caldera::plan {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kMaxFileBytes = uint64_t{1} << 20;
constexpr uint64_t kMaxHeapBytes = uint64_t{1} << 50;
// VK_MAX_MEMORY_HEAPS and VK_MAX_MEMORY_TYPES: what a device can report.
constexpr size_t kMaxHeaps = 16;
constexpr size_t kMaxTypes = 32;

/// `text` as far as it fits into an error of one line.
std::string in_quotes(std::string_view text) {
  return fmt::format("'{}'", text.substr(0, 80));
}

/// One JSON object with the words that an error begins with.
class Reader {
 public:
  Reader(const Json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object.is_object()) fail("is no object");
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorKind::kInput, fmt::format("{} {}", where_, what));
  }

  const Json* find(const char* key) const {
    const auto place = object_.find(key);
    return place == object_.end() || place->is_null() ? nullptr : &*place;
  }

  const Json& array(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) fail(fmt::format("has no \"{}\"", key));
    if (!value->is_array()) fail(fmt::format("has \"{}\" that is no list", key));
    return *value;
  }

  std::string text(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return {};
    if (!value->is_string()) fail(fmt::format("has \"{}\" that is no text", key));
    return value->get<std::string>();
  }

  bool flag(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return false;
    if (!value->is_boolean()) fail(fmt::format("has \"{}\" that is neither true nor false", key));
    return value->get<bool>();
  }

  /// A positive number up to `most`, or 0 where the key is absent.
  double number(const char* key, double most) const {
    const Json* value = find(key);
    if (value == nullptr) return 0;
    const double result = value->is_number() ? value->get<double>() : 0;
    if (!(result > 0) || result > most)
      fail(fmt::format("has \"{}\" that is no number over 0 and up to {:g}", key, most));
    return result;
  }

  /// Bytes under `name`_bytes or GiB under `gib`; nothing if neither is there.
  std::optional<uint64_t> size(const char* bytes_key, const char* gib_key) const {
    if (const double bytes = number(bytes_key, static_cast<double>(kMaxHeapBytes)); bytes > 0)
      return static_cast<uint64_t>(bytes);
    const double gib = number(gib_key, static_cast<double>(kMaxHeapBytes >> 30));
    if (gib > 0) return static_cast<uint64_t>(std::llround(gib * (1U << 30)));
    return std::nullopt;
  }

 private:
  const Json& object_;
  std::string where_;
};

DeviceType device_type(const Reader& reader) {
  const std::string name = reader.text("device_type");
  if (name == "integrated") return DeviceType::kIntegrated;
  if (name == "discrete") return DeviceType::kDiscrete;
  if (name == "virtual") return DeviceType::kVirtual;
  if (name == "cpu") return DeviceType::kCpu;
  if (name == "other" || name.empty()) return DeviceType::kOther;
  reader.fail(fmt::format("has \"device_type\" {}: integrated, discrete, virtual, cpu and other are known",
                          in_quotes(name)));
}

Heap read_heap(const Json& json, const std::string& where) {
  const Reader reader(json, where);
  const std::optional<uint64_t> bytes = reader.size("bytes", "gib");
  if (!bytes) reader.fail("has neither \"bytes\" nor \"gib\"");
  return {*bytes, reader.flag("device_local"), reader.size("budget_bytes", "budget_gib")};
}

/// A type as a list of "memory_types" has it, for each of the heaps that it is meant for.
void add_types(const Json& json, const std::string& where, Topology& topology) {
  const Reader reader(json, where);
  const std::string kind = reader.text("heap");
  if (kind != "device_local" && kind != "host")
    reader.fail(fmt::format("has \"heap\" {}: device_local and host are known", in_quotes(kind)));
  MemoryType type;
  for (const Json& flag : reader.array("flags")) {
    const std::string name = flag.is_string() ? flag.get<std::string>() : "";
    if (name == "DEVICE_LOCAL") {
      type.device_local = true;
    } else if (name == "HOST_VISIBLE") {
      type.host_visible = true;
    } else if (name == "HOST_COHERENT") {
      type.host_coherent = true;
    } else if (name == "HOST_CACHED") {
      type.host_cached = true;
    } else if (name == "PROTECTED" || name == "LAZILY_ALLOCATED" || name == "DEVICE_UNCACHED_AMD" ||
               name == "DEVICE_COHERENT_AMD") {
      type.special = true;
    } else {
      reader.fail(fmt::format("has a flag {} that is not known", in_quotes(name)));
    }
  }
  for (uint32_t i = 0; i < topology.heaps.size(); ++i) {
    type.heap = i;
    if (topology.heaps[i].device_local == (kind == "device_local")) topology.types.push_back(type);
  }
}

/// The types that a heap without any usually has.
void add_usual_types(uint32_t heap, Topology& topology) {
  const auto add = [&](bool local, bool visible, bool cached) {
    topology.types.push_back({heap, local, visible, visible, cached, false});
  };
  if (!topology.heaps[heap].device_local) {
    add(false, true, false);
    add(false, true, true);
  } else if (is_window(topology, heap)) {
    add(true, true, false);
  } else {
    add(true, false, false);
    // A discrete card without a table of types is taken for one without resizable BAR.
    if (topology.unified()) add(true, true, false);
  }
}

/// "memory_types" of a file, and after it those of topologies.json.
const Json* find_types(const std::string& name, const Json& own) {
  static const Json kBuiltIn = Json::parse(topologies_json()).at("memory_types");
  for (const Json* lists : {&own, &kBuiltIn}) {
    if (lists->is_object() && lists->contains(name)) return &lists->at(name);
  }
  return nullptr;
}

Topology read_topology(const Json& json, const Json& memory_types, std::string where) {
  Topology topology;
  topology.name = Reader(json, where).text("name");
  if (!topology.name.empty()) where += fmt::format(", {}:", in_quotes(topology.name));
  const Reader reader(json, where);
  topology.machine = reader.text("machine");
  topology.type = device_type(reader);

  for (const Json& heap : reader.array("heaps")) {
    if (topology.heaps.size() == kMaxHeaps) reader.fail(fmt::format("has more than {} heaps", kMaxHeaps));
    topology.heaps.push_back(read_heap(heap, fmt::format("{} heap {}", where, topology.heaps.size())));
  }
  if (topology.heaps.empty()) reader.fail("has no heaps");

  if (const std::string name = reader.text("types"); !name.empty()) {
    const Json* list = find_types(name, memory_types);
    if (list == nullptr || !list->is_array()) {
      reader.fail(
          fmt::format("has \"types\" {}, a list that \"memory_types\" does not have", in_quotes(name)));
    }
    for (const Json& type : *list) {
      add_types(type, fmt::format("{} a type of \"{}\"", where, name), topology);
      if (topology.types.size() > kMaxTypes) break;
    }
  }
  for (uint32_t i = 0; i < topology.heaps.size(); ++i) {
    const bool has_types =
        std::ranges::any_of(topology.types, [i](const MemoryType& type) { return type.heap == i; });
    if (!has_types) add_usual_types(i, topology);
  }
  if (topology.types.size() > kMaxTypes)
    reader.fail(fmt::format("has more than {} types of memory", kMaxTypes));

  topology.max_allocation = reader.size("max_allocation_bytes", "max_allocation_gib").value_or(0);
  topology.max_buffer = reader.size("max_buffer_bytes", "max_buffer_gib").value_or(0);
  topology.max_storage_range =
      reader.size("max_storage_buffer_range", "max_storage_buffer_range_gib").value_or(0);
  topology.matrix_units =
      reader.find("cooperative_matrix") != nullptr && !reader.array("cooperative_matrix").empty();
  if (const Json* bandwidth = reader.find("bandwidth_gb_s")) {
    constexpr double kMost = 1e6;
    const Reader numbers(*bandwidth, where + " \"bandwidth_gb_s\"");
    topology.bandwidth = Bandwidth{numbers.number("peak", kMost), numbers.number("measured", kMost)};
  }
  return topology;
}

/// The whole of a small file. Errors: kFile, kInput (too large).
std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxFileBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.eof() && !file.good())
    throw Error(ErrorKind::kFile, fmt::format("{}: cannot be read", path.string()));
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kMaxFileBytes) {
    throw Error(ErrorKind::kInput, fmt::format("{}: too large to be a description of memory", path.string()));
  }
  return text;
}

std::string names_of(const std::vector<Topology>& list) {
  std::vector<std::string_view> names;
  names.reserve(list.size());
  for (const Topology& topology : list) names.push_back(topology.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

std::vector<Topology> parse_topologies(std::string_view json, const std::string& where) {
  Json parsed;
  try {
    parsed = Json::parse(json);
  } catch (const Json::parse_error& error) {
    throw Error(ErrorKind::kInput, fmt::format("{}: not JSON (at byte {})", where, error.byte));
  } catch (const Json::exception&) {
    throw Error(ErrorKind::kInput, fmt::format("{}: a number in it is too large", where));
  }
  const Reader reader(parsed, where + ":");
  const Json* types = reader.find("memory_types");
  const Json none;
  const Json& memory_types = types != nullptr ? *types : none;
  if (reader.find("topologies") == nullptr) return {read_topology(parsed, memory_types, where + ":")};
  std::vector<Topology> list;
  for (const Json& row : reader.array("topologies")) {
    list.push_back(read_topology(row, memory_types, fmt::format("{}: topology {}", where, list.size() + 1)));
  }
  return list;
}

const std::vector<Topology>& topologies() {
  static const std::vector<Topology> kRows = parse_topologies(topologies_json(), "topologies.json");
  return kRows;
}

Topology find_topology(const std::string& name_or_path) {
  const auto find_in = [](const std::vector<Topology>& list, std::string_view name) {
    return std::ranges::find(list, name, &Topology::name);
  };
  if (const auto row = find_in(topologies(), name_or_path); row != topologies().end()) return *row;

  std::filesystem::path path = name_or_path;
  std::string name;
  std::error_code ignored;
  const size_t mark = name_or_path.rfind('#');
  if (mark != std::string::npos && !std::filesystem::exists(path, ignored)) {
    path = name_or_path.substr(0, mark);
    name = name_or_path.substr(mark + 1);
  }
  if (!std::filesystem::is_regular_file(path, ignored)) {
    throw Error(ErrorKind::kUsage, fmt::format("{} is neither a file nor one of the known topologies: {}",
                                               in_quotes(name_or_path), names_of(topologies())));
  }
  const std::vector<Topology> list = parse_topologies(read_text(path), path.string());
  const auto found = name.empty() && list.size() == 1 ? list.begin() : find_in(list, name);
  if (name.empty() && list.size() != 1) {
    throw Error(ErrorKind::kUsage, fmt::format("{} describes {} topologies: name one as {}#NAME: {}",
                                               path.string(), list.size(), path.string(), names_of(list)));
  }
  if (found == list.end()) {
    throw Error(ErrorKind::kUsage, fmt::format("{} has no topology {}: it has {}", path.string(),
                                               in_quotes(name), names_of(list)));
  }
  return *found;
}

}  // namespace caldera::plan

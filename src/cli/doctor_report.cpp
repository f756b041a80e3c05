#include "cli/doctor_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "cli/device_json.hpp"
#include "cli/output.hpp"

namespace caldera::cli {
namespace {

using Json = nlohmann::ordered_json;
using machine::Gpu;
using machine::Machine;

constexpr size_t kColumns = 100;

/// `text` in lines that begin with `indent` blanks, after the first with `hanging` more, and break between
/// words. Words longer than a line stay whole.
std::string wrap(std::string_view text, size_t indent, size_t hanging = 0) {
  std::string out;
  size_t column = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (column == 0 || column + 1 + word.size() > kColumns) {
      if (column != 0) out += '\n';
      const size_t blanks = column == 0 ? indent : indent + hanging;
      out += std::string(blanks, ' ');
      column = blanks;
    } else {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
  }
  return out + "\n";
}

std::string memory_of(const Gpu& gpu) {
  if (!gpu.vram_total || !gpu.gtt_total) return {};
  return fmt::format("{} {} ({} used), GTT {} ({} used)", gpu.integrated ? "carve-out" : "own memory",
                     human_bytes(*gpu.vram_total), human_bytes(gpu.vram_used.value_or(0)),
                     human_bytes(*gpu.gtt_total), human_bytes(gpu.gtt_used.value_or(0)));
}

std::string access_to(const Machine& machine, const Gpu& gpu) {
  const auto node = std::ranges::find(machine.nodes, gpu.render_node, &machine::DeviceNode::name);
  if (node == machine.nodes.end()) return gpu.driver == "nvidia" ? "" : ", no file in /dev/dri";
  return fmt::format(", /dev/dri/{} {}", escape(node->name),
                     node->accessible ? "can be used" : "cannot be used");
}

/// The options of graphics modules that somebody set, and where.
std::vector<std::string> options_of(const Machine& machine) {
  std::vector<std::string> lines;
  for (const machine::ModuleOption& option : machine.kernel.modules) {
    if (lines.size() == 8) break;
    lines.push_back(escape(
        fmt::format("{}.{}={} ({})", option.module, option.name, shorten(option.value, 40), option.where)));
  }
  return lines;
}

std::string facts_text(const Machine& machine, const std::vector<DeviceInfo>& devices) {
  std::string out = "This machine\n";
  const auto line = [&](const char* name, const std::string& value) {
    if (!value.empty()) out += fmt::format("  {:<11} {}\n", name, value);
  };
  line("processor", escape(machine.cpu));
  if (machine.memory.total != UINT64_MAX) {
    std::string memory = human_bytes(machine.memory.total) + " for the system";
    if (machine.memory.available != UINT64_MAX)
      memory += fmt::format(", {} available now", human_bytes(machine.memory.available));
    line("memory", memory);
  }
  if (machine.cgroup.limit < machine.memory.total) {
    line("", fmt::format("{} for control group {}", human_bytes(machine.cgroup.limit),
                         escape(machine.cgroup.group)));
  }
  std::string system = machine.system.name;
  if (!machine.system.kernel.empty())
    system += fmt::format("{}Linux {}", system.empty() ? "" : ", ", machine.system.kernel);
  if (!machine.system.container.empty())
    system += fmt::format(", in a container ({})", machine.system.container);
  line("system", escape(system));
  for (const Gpu& gpu : machine.gpus) {
    line("GPU", fmt::format("{} at {}, {}{}", gpu_name(gpu), escape(gpu.address),
                            gpu.driver.empty() ? "no kernel driver" : "kernel driver " + escape(gpu.driver),
                            gpu.driver.empty() ? "" : access_to(machine, gpu)));
    line("", memory_of(gpu));
  }
  if (machine.gpus.empty()) line("GPU", "none found");
  if (machine.kernel.pages_limit && *machine.kernel.pages_limit <= UINT64_MAX / 4096) {
    line("kernel", fmt::format("{}.pages_limit {} ({})", machine.kernel.ttm_module,
                               *machine.kernel.pages_limit, human_bytes(*machine.kernel.pages_limit * 4096)));
  }
  for (const std::string& option : options_of(machine)) line("set", option);
  for (const DeviceInfo& device : devices) {
    line("Vulkan", fmt::format("{}: {}, {}{}", escape(device.name), escape(device.type),
                               escape(device.driver), device.usable ? "" : ", not usable"));
    std::vector<std::string> heaps;
    for (const HeapInfo& heap : device.heaps) {
      heaps.push_back(human_bytes(heap.bytes) + (heap.device_local ? "" : " (host)"));
    }
    line("", fmt::format("heaps of {}", fmt::join(heaps, " and ")));
  }
  if (devices.empty()) line("Vulkan", "no device");
  return out;
}

std::string verdict_text(const Diagnosis& diagnosis, const char* on, const char* off) {
  const Capacity& capacity = diagnosis.capacity;
  std::string out;
  if (diagnosis.device == nullptr) {
    out = fmt::format("{}No model can be run now{}: there is no Vulkan device.\n", on, off);
  } else {
    const char* where = diagnosis.device->type == "cpu"        ? " of the system's memory"
                        : diagnosis.device->type == "discrete" ? " of the card's memory"
                                                               : "";
    out = fmt::format("A model can use {}{}{}{} now.\n", on, human_bytes(capacity.now), off, where);
  }
  if (capacity.could > capacity.granted + (uint64_t{1} << 29)) {
    out += fmt::format("This machine could give {}{}{}: see below.\n", on, human_bytes(capacity.could), off);
  } else if (diagnosis.steps.empty() && diagnosis.device != nullptr &&
             capacity.granted - capacity.now < uint64_t{1} << 30) {
    out += "That is what this machine can give.\n";
  }
  return out;
}

std::string step_text(const Step& step, size_t number, const char* on, const char* off) {
  // Bold from the number on: the codes must not count as columns.
  std::string title = wrap(fmt::format("{}. {}", number, step.title), 0);
  title.pop_back();
  std::string out = fmt::format("{}{}{}\n", on, title, off) + wrap(step.reason, 3);
  const std::string* last = nullptr;
  for (const Instruction& instruction : step.instructions) {
    if (last == nullptr || *last != instruction.where) {
      std::string where = instruction.where + ":";
      where.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(where.front())));
      out += wrap(where, 3);
    }
    out += fmt::format("       {}\n", instruction.text);
    last = &instruction.where;
  }
  if (step.restart == Restart::kMachine) out += "   Then restart the machine.\n";
  if (step.restart == Restart::kLogin) out += "   Then log out and in again.\n";
  return out + "\n";
}

const char* restart_name(Restart restart) {
  return restart == Restart::kMachine ? "machine" : restart == Restart::kLogin ? "login" : "nothing";
}

/// Bytes, or null where they are not known or there is no limit.
Json bytes_json(uint64_t bytes) {
  return bytes == UINT64_MAX ? Json() : Json(bytes);
}
Json bytes_json(const std::optional<uint64_t>& bytes) {
  return bytes ? Json(*bytes) : Json();
}

Json machine_json(const Machine& machine) {
  Json gpus = Json::array();
  for (const Gpu& gpu : machine.gpus) {
    gpus.push_back({{"name", gpu_name(gpu)},
                    {"address", gpu.address},
                    {"vendor", gpu.vendor},
                    {"device", gpu.device},
                    {"driver", gpu.driver},
                    {"integrated", gpu.integrated},
                    {"render_node", gpu.render_node},
                    {"vram_total_bytes", bytes_json(gpu.vram_total)},
                    {"vram_used_bytes", bytes_json(gpu.vram_used)},
                    {"vram_visible_bytes", bytes_json(gpu.vram_visible)},
                    {"gtt_total_bytes", bytes_json(gpu.gtt_total)},
                    {"gtt_used_bytes", bytes_json(gpu.gtt_used)}});
  }
  Json nodes = Json::array();
  for (const machine::DeviceNode& node : machine.nodes) {
    nodes.push_back({{"name", node.name},
                     {"mode", fmt::format("{:o}", node.mode)},
                     {"group", node.group_name},
                     {"accessible", node.accessible}});
  }
  Json options = Json::array();
  for (const machine::ModuleOption& option : machine.kernel.modules) {
    options.push_back(
        {{"module", option.module}, {"name", option.name}, {"value", option.value}, {"where", option.where}});
  }
  return {{"processor", machine.cpu},
          {"ram_bytes", bytes_json(machine.memory.total)},
          {"ram_available_bytes", bytes_json(machine.memory.available)},
          {"cgroup",
           {{"group", machine.cgroup.group},
            {"limit_bytes", bytes_json(machine.cgroup.limit)},
            {"left_bytes", bytes_json(machine.cgroup.left)}}},
          {"memory_lock_limit_bytes", bytes_json(machine.memory_lock_limit)},
          {"system", machine.system.name},
          {"kernel", machine.system.kernel},
          {"container", machine.system.container},
          {"ttm_pages_limit", bytes_json(machine.kernel.pages_limit)},
          {"ttm_page_pool_size", bytes_json(machine.kernel.page_pool_size)},
          {"module_options", std::move(options)},
          {"gpus", std::move(gpus)},
          {"render_nodes", std::move(nodes)},
          {"vulkan_drivers", machine.vulkan_drivers}};
}

}  // namespace

std::string report_text(const Machine& machine, const std::vector<DeviceInfo>& devices,
                        const Diagnosis& diagnosis, bool bold) {
  const char* const on = bold ? "\x1b[1m" : "";
  const char* const off = bold ? "\x1b[0m" : "";
  std::string out = facts_text(machine, devices) + "\n" + verdict_text(diagnosis, on, off) + "\n";
  for (size_t i = 0; i < diagnosis.steps.size(); ++i) out += step_text(diagnosis.steps[i], i + 1, on, off);
  if (!diagnosis.steps.empty()) out += "Then run caldera doctor again. It has changed nothing itself.\n\n";
  for (const std::string& note : diagnosis.notes) out += wrap("- " + note, 0, 2);
  if (diagnosis.notes.empty()) out.pop_back();
  return out;
}

Json report_json(const Machine& machine, const std::vector<DeviceInfo>& devices, const Diagnosis& diagnosis) {
  Json steps = Json::array();
  for (const Step& step : diagnosis.steps) {
    Json instructions = Json::array();
    for (const Instruction& instruction : step.instructions)
      instructions.push_back({{"where", instruction.where}, {"text", instruction.text}});
    steps.push_back({{"id", step.id},
                     {"title", step.title},
                     {"reason", step.reason},
                     {"instructions", std::move(instructions)},
                     {"restart", restart_name(step.restart)}});
  }
  Json list = Json::array();
  for (const DeviceInfo& device : devices) list.push_back(to_json(device));
  const Capacity& capacity = diagnosis.capacity;
  return {{"usable_bytes", capacity.now},
          {"usable_far_bytes", capacity.far_now},
          {"granted_bytes", capacity.granted},
          {"possible_bytes", capacity.could},
          {"device", diagnosis.device == nullptr ? Json() : Json(diagnosis.device->index)},
          {"steps", std::move(steps)},
          {"notes", diagnosis.notes},
          {"machine", machine_json(machine)},
          {"devices", std::move(list)}};
}

}  // namespace caldera::cli

#include "machine/gpu.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <exception>

#include "machine/small_file.hpp"

namespace caldera::machine {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostGpus = 64;
constexpr uint16_t kStrixHalo = 0x1586;

struct Apu {
  uint16_t device;
  const char* name;
};

/// AMD's processors with graphics since 2017. Source: the PCI ID repository (pci-ids.ucw.cz), and the
/// kernel's drivers/gpu/drm/amd/amdgpu/amdgpu_drv.c.
constexpr std::array kApus = {
    Apu{0x15dd, "Raven Ridge"},   Apu{0x15d8, "Picasso"},        Apu{0x1636, "Renoir"},
    Apu{0x164c, "Lucienne"},      Apu{0x1638, "Cezanne"},        Apu{0x15e7, "Barcelo"},
    Apu{0x163f, "Van Gogh"},      Apu{0x1435, "Van Gogh"},       Apu{0x164d, "Rembrandt"},
    Apu{0x1681, "Rembrandt"},     Apu{0x164e, "Raphael"},        Apu{0x1506, "Mendocino"},
    Apu{0x15bf, "Phoenix"},       Apu{0x15c8, "Phoenix"},        Apu{0x1900, "Hawk Point"},
    Apu{0x1901, "Hawk Point"},    Apu{0x150e, "Strix Point"},    Apu{0x1114, "Krackan Point"},
    Apu{0x13c0, "Granite Ridge"}, Apu{kStrixHalo, "Strix Halo"},
};

const Apu* find_apu(const Gpu& gpu) {
  const auto found = std::ranges::find(kApus, gpu.device, &Apu::device);
  return gpu.vendor == kVendorAmd && found != kApus.end() ? &*found : nullptr;
}

/// The value of "KEY=value" in a uevent file.
std::string uevent_value(const fs::path& device, std::string_view key) {
  const std::optional<std::string> text = read_small_file(device / "uevent");
  std::string_view rest = text ? std::string_view(*text) : std::string_view();
  while (!rest.empty()) {
    const std::string_view line = take_line(rest);
    if (line.starts_with(key) && line.substr(key.size()).starts_with('='))
      return std::string(trim(line.substr(key.size() + 1)));
  }
  return {};
}

std::string driver_of(const fs::path& device) {
  std::error_code error;
  const fs::path link = fs::read_symlink(device / "driver", error);
  return error ? uevent_value(device, "DRIVER") : link.filename().string();
}

Gpu read_gpu(const fs::path& device) {
  Gpu gpu;
  gpu.vendor = static_cast<uint16_t>(read_number(device / "vendor").value_or(0));
  gpu.device = static_cast<uint16_t>(read_number(device / "device").value_or(0));
  gpu.driver = driver_of(device);
  gpu.vram_total = read_number(device / "mem_info_vram_total");
  gpu.vram_used = read_number(device / "mem_info_vram_used");
  gpu.vram_visible = read_number(device / "mem_info_vis_vram_total");
  gpu.gtt_total = read_number(device / "mem_info_gtt_total");
  gpu.gtt_used = read_number(device / "mem_info_gtt_used");
  for (const std::string& name : list_names(device / "drm")) {
    if (name.starts_with("renderD")) gpu.render_node = name;
  }
  return gpu;
}

/// Intel's integrated graphics has been device 2 of bus 0 since there is PCI in its processors.
void classify(Gpu& gpu) {
  gpu.integrated =
      find_apu(gpu) != nullptr || (gpu.vendor == kVendorIntel && gpu.address.ends_with(":00:02.0"));
}

bool is_card(std::string_view name) {
  return name.starts_with("card") && name.size() > 4 &&
         name.find_first_not_of("0123456789", 4) == std::string_view::npos;
}

}  // namespace

std::string gpu_name(const Gpu& gpu) {
  if (const Apu* apu = find_apu(gpu)) return fmt::format("AMD {}", apu->name);
  const char* vendor = gpu.vendor == kVendorAmd      ? "AMD"
                       : gpu.vendor == kVendorNvidia ? "NVIDIA"
                       : gpu.vendor == kVendorIntel  ? "Intel"
                                                     : "GPU";
  return fmt::format("{} {:04x}:{:04x}", vendor, gpu.vendor, gpu.device);
}

bool is_strix_halo(const Gpu& gpu) {
  return gpu.vendor == kVendorAmd && gpu.device == kStrixHalo;
}

std::vector<Gpu> read_gpus(const fs::path& root) {
  std::vector<Gpu> gpus;
  const fs::path cards = root / "sys/class/drm";
  for (const std::string& name : list_names(cards)) {
    if (!is_card(name) || gpus.size() >= kMostGpus) continue;
    Gpu gpu = read_gpu(cards / name / "device");
    // A frame buffer that firmware left behind (simpledrm) is a card without a PCI device.
    if (gpu.vendor == 0) continue;
    gpu.card = name;
    gpu.address = uevent_value(cards / name / "device", "PCI_SLOT_NAME");
    classify(gpu);
    gpus.push_back(std::move(gpu));
  }
  const fs::path devices = root / "sys/bus/pci/devices";
  for (const std::string& address : list_names(devices)) {
    // Class 0x03: display controllers. Source: the PCI ID repository.
    if (read_number(devices / address / "class").value_or(0) >> 16 != 0x03) continue;
    const bool known = std::ranges::any_of(gpus, [&](const Gpu& gpu) { return gpu.address == address; });
    if (known || gpus.size() >= kMostGpus) continue;
    Gpu gpu = read_gpu(devices / address);
    gpu.address = address;
    classify(gpu);
    gpus.push_back(std::move(gpu));
  }
  return gpus;
}

uint64_t free_carve_out(const fs::path& root) noexcept {
  uint64_t bytes = 0;
  try {
    const fs::path cards = root / "sys/class/drm";
    for (const std::string& name : list_names(cards)) {
      if (!is_card(name)) continue;
      const Gpu gpu = read_gpu(cards / name / "device");
      const uint64_t used = gpu.vram_used.value_or(0);
      if (find_apu(gpu) != nullptr && gpu.vram_total.value_or(0) > used) bytes += *gpu.vram_total - used;
    }
  } catch (const std::exception&) {  // no memory for a path: nothing is known
    return 0;
  }
  return bytes;
}

}  // namespace caldera::machine

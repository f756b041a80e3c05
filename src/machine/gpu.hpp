// The GPUs of this machine, as PCI and the kernel's graphics drivers show them in sysfs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace caldera::machine {

constexpr uint16_t kVendorAmd = 0x1002;
constexpr uint16_t kVendorNvidia = 0x10de;
constexpr uint16_t kVendorIntel = 0x8086;

/// Sizes in bytes. The amdgpu driver alone says how much memory there is.
struct Gpu {
  std::string address;      ///< on the PCI bus: "0000:c4:00.0"
  std::string card;         ///< "card1"; empty where no graphics driver shows it
  std::string render_node;  ///< "renderD128"; empty where the driver has none
  uint16_t vendor = 0;
  uint16_t device = 0;
  std::string driver;  ///< the kernel's: "amdgpu"; empty where none has taken the GPU
  /// The GPU is part of the processor and works in the system's memory. False where that is not known.
  bool integrated = false;
  std::optional<uint64_t> vram_total;    ///< own memory; of an integrated one the carve-out
  std::optional<uint64_t> vram_used;     ///< by all programs
  std::optional<uint64_t> vram_visible;  ///< of vram_total, what the CPU can reach
  std::optional<uint64_t> gtt_total;     ///< most of the system's memory that the GPU may map
  std::optional<uint64_t> gtt_used;
};

/// "Strix Halo", "AMD GPU", "GPU 1234:5678".
std::string gpu_name(const Gpu& gpu);

/// Strix Halo (gfx1151): Ryzen AI Max.
bool is_strix_halo(const Gpu& gpu);

/// All GPUs, those that a graphics driver shows first.
/// Sources: the kernel's Documentation/gpu/amdgpu/driver-misc.rst (mem_info_*) and
/// Documentation/PCI/sysfs-pci.rst.
std::vector<Gpu> read_gpus(const std::filesystem::path& root = "/");

/// Bytes of the carve-outs of integrated GPUs that nobody uses: memory that the system does not count as its
/// own (it is missing from available_ram()) though it is the same. 0 where there is none.
uint64_t free_carve_out(const std::filesystem::path& root = "/") noexcept;

}  // namespace caldera::machine

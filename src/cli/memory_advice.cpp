#include "cli/memory_advice.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/output.hpp"

namespace caldera::cli {
namespace {

using machine::Gpu;
using machine::KernelOptions;
using machine::Machine;
using machine::ModuleOption;

constexpr uint64_t kGib = uint64_t{1} << 30;
constexpr uint64_t kPage = 4096;
/// What is not worth a restart.
constexpr uint64_t kWorthwhile = kGib;

const char* restart_hint(const Machine& machine) {
  return machine.system.container.empty() ? "" : " This is for the machine, not for the container.";
}

void advise_on_carve_out(const Machine& machine, const Gpu& gpu, Diagnosis& diagnosis) {
  const uint64_t carve_out = *gpu.vram_total;
  if (carve_out <= diagnosis.capacity.best->carve_out) return;
  diagnosis.steps.push_back(
      {"carve-out",
       "In the firmware setup, make the memory set aside for graphics as small as it can be",
       fmt::format(
           "{} are set aside for the GPU for good, and the system is left with {}: it reads models through "
           "that, keeps their files in it, and runs everything else there. The GPU needs no memory of its "
           "own; "
           "it maps the system's at the same speed while a model is loaded, and gives it back afterwards.{}",
           human_bytes(carve_out), human_bytes(machine.memory.total), restart_hint(machine)),
       {{"in the firmware setup (F2, Del or Esc at power-on), set \"UMA Frame Buffer Size\", \"iGPU Memory "
         "Size\" or "
         "\"Dedicated Graphics Memory\" to",
         "512 MB, or the smallest on offer (some have 4 GB)"}},
       Restart::kMachine});
}

/// `asked` is more or less than what is in force, so something still starts with an older setting.
Step restart_step(const Machine& machine, const ModuleOption& asked) {
  Step step{
      "ttm-not-in-force",
      fmt::format("Let {}.{}={} come into force", asked.module, asked.name, escape(asked.value)),
      fmt::format(
          "It is set in {}, but the kernel runs with {}. A module that is loaded early takes its options "
          "from the initramfs, which holds a copy of that file as it was.",
          escape(asked.where), *machine.kernel.pages_limit),
      {},
      Restart::kMachine};
  if (asked.where != "/proc/cmdline")
    step.instructions.push_back(rebuild_initramfs(machine.system.distribution));
  return step;
}

void advise_on_gtt(const Machine& machine, const Gpu& gpu, Diagnosis& diagnosis) {
  const KernelOptions& kernel = machine.kernel;
  const uint64_t best = diagnosis.capacity.best->gtt;
  const uint64_t limit = kernel.pages_limit && *kernel.pages_limit <= UINT64_MAX / kPage
                             ? *kernel.pages_limit * kPage
                             : UINT64_MAX;
  const uint64_t now = std::min(*gpu.gtt_total, limit);
  const ModuleOption* gttsize = kernel.find("amdgpu", "gttsize");
  if (best <= now || best - now < kWorthwhile) {
    if (gttsize != nullptr && gttsize->where == "/proc/cmdline" &&
        kernel.find(kernel.ttm_module, "pages_limit")) {
      diagnosis.notes.push_back(
          fmt::format("amdgpu.gttsize={} on the kernel's command line is deprecated and not needed: "
                      "{}.pages_limit alone decides "
                      "once it is gone.",
                      escape(gttsize->value), kernel.ttm_module));
    }
    return;
  }
  const std::string pages = std::to_string(best / kPage);
  const ModuleOption* asked = kernel.find(kernel.ttm_module, "pages_limit");
  if (asked != nullptr && asked->value == pages && kernel.pages_limit &&
      std::to_string(*kernel.pages_limit) != pages) {
    diagnosis.steps.push_back(restart_step(machine, *asked));
    return;
  }
  std::string reason = fmt::format(
      "The kernel lets graphics drivers have {} of the system's memory{}. {} pages of 4 KiB are {}: all but "
      "{}, which "
      "stay with the system. The memory is only taken while a model is loaded. A page_pool_size of the same "
      "number "
      "keeps pages ready for the next model; the system gets them back when it runs short.",
      human_bytes(now),
      asked == nullptr && gttsize == nullptr ? ", half of it unless it is told otherwise" : "", pages,
      human_bytes(best),
      human_bytes(machine.memory.total + *gpu.vram_total - diagnosis.capacity.best->carve_out - best));
  std::vector<std::string> remove;
  std::vector<Instruction> elsewhere;
  const auto replace = [&](const ModuleOption* option) {
    if (option == nullptr) return;
    const std::string text = fmt::format("{}.{}={}", option->module, option->name, escape(option->value));
    if (option->where == "/proc/cmdline") {
      remove.push_back(text);
    } else {
      elsewhere.push_back({fmt::format("in {}, delete", escape(option->where)),
                           fmt::format("{}={}", option->name, escape(option->value))});
    }
  };
  replace(asked);
  replace(kernel.find(kernel.ttm_module, "page_pool_size"));
  replace(gttsize);
  if (gttsize != nullptr || kernel.gtt_mib) {
    reason += " amdgpu.gttsize is deprecated, and overrides the limit while it is there: it has to go.";
    if (*gpu.gtt_total > limit) {
      reason +=
          fmt::format(" (It makes a GTT of {}, but beyond the limit the kernel moves graphics memory out.)",
                      human_bytes(*gpu.gtt_total));
    }
  }
  Step step{"ttm-pages-limit",
            fmt::format("Let the GPU map {} of the system's memory instead of {}", human_bytes(best),
                        human_bytes(now)),
            std::move(reason), std::move(elsewhere), Restart::kMachine};
  for (Instruction& instruction :
       change_kernel_parameters(machine.system,
                                {fmt::format("{}.pages_limit={}", kernel.ttm_module, pages),
                                 fmt::format("{}.page_pool_size={}", kernel.ttm_module, pages)},
                                remove)) {
    step.instructions.push_back(std::move(instruction));
  }
  diagnosis.steps.push_back(std::move(step));
}

void advise_on_cgroup(const Machine& machine, Diagnosis& diagnosis) {
  const uint64_t limit = machine.cgroup.limit;
  // A discrete GPU has memory of its own; a model passes the host in pieces of at most 1 GiB.
  const bool shared = diagnosis.device == nullptr || diagnosis.device->type != "discrete";
  if (limit == UINT64_MAX || limit >= machine.memory.total || (!shared && limit > 4 * kGib)) return;
  const std::string& group = machine.cgroup.group;
  const std::string unit = group.substr(group.find_last_of('/') + 1);
  Step step{"cgroup-limit",
            fmt::format("Raise the memory limit of this control group, {}", human_bytes(limit)),
            fmt::format(
                "The group {} may use {} of the {} that the system has, and whatever goes beyond is killed. "
                "Caldera stays below it.",
                escape(group), human_bytes(limit), human_bytes(machine.memory.total)),
            {},
            Restart::kNothing};
  if (!machine.system.container.empty()) {
    const bool podman = machine.system.container == "podman";
    step.instructions.push_back(
        {"start the container with a higher limit, or none",
         fmt::format("{} run --memory {}g ...", podman ? "podman" : "docker", machine.memory.total / kGib)});
  } else if (unit.ends_with(".service") || unit.ends_with(".slice") || unit.ends_with(".scope")) {
    step.instructions.push_back(
        {"run",
         fmt::format("sudo systemctl set-property {} MemoryMax=infinity MemoryHigh=infinity", escape(unit))});
  } else {
    step.instructions.push_back(
        {"run", fmt::format("echo max | sudo tee /sys/fs/cgroup{}/memory.max", escape(group))});
  }
  diagnosis.steps.push_back(std::move(step));
}

/// A card without resizable BAR shows the CPU a window of 256 MiB. Source: the PCI Express specification's
/// resizable BAR capability; Documentation/gpu/amdgpu (mem_info_vis_vram_total).
void advise_on_bar(const Machine& machine, Diagnosis& diagnosis) {
  const DeviceInfo* device = diagnosis.device;
  if (device == nullptr || device->type != "discrete") return;
  uint64_t largest = 0;
  uint64_t window = UINT64_MAX;
  for (const HeapInfo& heap : device->heaps) {
    if (!heap.device_local) continue;
    largest = std::max(largest, heap.bytes);
    window = std::min(window, heap.bytes);
  }
  if (machine.gpus.size() == 1 && machine.gpus.front().vram_visible)
    window = std::min(window, *machine.gpus.front().vram_visible);
  if (window >= largest / 16) return;
  diagnosis.steps.push_back(
      {"resizable-bar",
       "Turn on resizable BAR",
       fmt::format(
           "The CPU reaches only {} of the card's {} at a time. Models of the same size run either way; with "
           "resizable BAR their weights are written straight into place, so loading is quicker.",
           human_bytes(window), human_bytes(largest)),
       {{"in the firmware setup (F2, Del or Esc at power-on), switch on",
         "\"Above 4G Decoding\" and \"Re-Size BAR Support\" (and switch off CSM, if it is on)"}},
       Restart::kMachine});
}

void note_heaps(Diagnosis& diagnosis) {
  const DeviceInfo& device = *diagnosis.device;
  if (device.type == "integrated" && device.heaps.size() > 1) {
    uint64_t largest = 0;
    for (const HeapInfo& heap : device.heaps) largest = std::max(largest, heap.bytes);
    std::vector<std::string> sizes;
    for (const HeapInfo& heap : device.heaps) sizes.push_back(human_bytes(heap.bytes));
    diagnosis.notes.push_back(fmt::format(
        "The driver shows the GPU's memory as heaps of {}{}. All of it is the same memory at the same speed, "
        "and "
        "Caldera fills every heap. Programs that fill only one stop at {} or less.",
        fmt::join(sizes, " and "),
        device.driver.starts_with("radv") ? " (RADV: two thirds and one third of carve-out and GTT together)"
                                          : "",
        human_bytes(largest)));
  }
  if (diagnosis.capacity.far_now > 0) {
    diagnosis.notes.push_back(
        fmt::format("What does not fit the card's own memory goes on in up to {} of the system's. The card "
                    "reads that over the bus, "
                    "many times slower than its own.",
                    human_bytes(diagnosis.capacity.far_now)));
  }
}

}  // namespace

void advise_on_memory(const Machine& machine, Diagnosis& diagnosis) {
  if (const Gpu* gpu = shared_memory_gpu(machine, diagnosis.device);
      gpu != nullptr && diagnosis.capacity.best) {
    advise_on_carve_out(machine, *gpu, diagnosis);
    advise_on_gtt(machine, *gpu, diagnosis);
    const uint64_t left = machine.memory.total > *gpu->gtt_total ? machine.memory.total - *gpu->gtt_total : 0;
    if (left < 4 * kGib) {
      diagnosis.notes.push_back(
          fmt::format("The GPU may map all but {} of the system's memory. A model of that size leaves "
                      "nothing to other programs: the "
                      "kernel will end some of them, or Caldera.",
                      human_bytes(left)));
    }
    // Source: ROCm's issue 5444. Vulkan does not go through that part of the kernel.
    if (machine::is_strix_halo(*gpu) && machine.system.version[0] > 0 &&
        machine.system.version < std::array<int, 3>{6, 16, 9}) {
      diagnosis.notes.push_back(
          "Kernels before 6.16.9 show ROCm programs only part of this GPU's memory. Vulkan, and so Caldera, "
          "is not bound "
          "by that.");
    }
  }
  advise_on_cgroup(machine, diagnosis);
  advise_on_bar(machine, diagnosis);
  if (diagnosis.device != nullptr) note_heaps(diagnosis);
  const Capacity& capacity = diagnosis.capacity;
  if (capacity.granted > capacity.now && capacity.granted - capacity.now > kWorthwhile) {
    diagnosis.notes.push_back(
        fmt::format("Other programs use memory at this moment; without them a model could have {}.",
                    human_bytes(capacity.granted)));
  }
}

}  // namespace caldera::cli

#include "cli/gpu_access_advice.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "cli/output.hpp"

namespace caldera::cli {
namespace {

using machine::DeviceNode;
using machine::Gpu;
using machine::Machine;

/// Of a vendor whose GPUs run Vulkan: not a server's display chip or a virtual machine's.
bool computes(const Gpu& gpu) {
  return gpu.vendor == machine::kVendorAmd || gpu.vendor == machine::kVendorNvidia ||
         gpu.vendor == machine::kVendorIntel;
}

/// NVIDIA's own driver has device files of its own that everybody may use.
bool uses_render_node(const Gpu& gpu) {
  return !gpu.driver.empty() && gpu.driver != "nvidia" && gpu.driver != "vfio-pci";
}

const DeviceNode* find_node(const Machine& machine, const Gpu& gpu) {
  const auto found = std::ranges::find(machine.nodes, gpu.render_node, &DeviceNode::name);
  return found == machine.nodes.end() ? nullptr : &*found;
}

Step kernel_driver_step(const Machine& machine, const Gpu& gpu) {
  Step step{"kernel-driver",
            fmt::format("Give the GPU ({}) a kernel driver", gpu_name(gpu)),
            "",
            {},
            Restart::kMachine};
  if (machine.kernel.has_word("nomodeset")) {
    step.reason = "\"nomodeset\" on the kernel's command line keeps graphics drivers from taking their GPUs.";
    step.instructions = change_kernel_parameters(machine.system, {}, {"nomodeset"});
  } else if (gpu.vendor == machine::kVendorNvidia) {
    step.reason = "No driver has taken it.";
    step.instructions = {install_vulkan_driver(machine.system.distribution, gpu.vendor)};
  } else {
    const char* driver = gpu.vendor == machine::kVendorAmd ? "amdgpu" : "i915\\|xe";
    step.reason = fmt::format(
        "No driver has taken it: Linux {} is older than the GPU, or its firmware files (linux-firmware) are.",
        escape(machine.system.kernel));
    step.instructions = {{"install",
                          "a newer kernel, and the package linux-firmware (Debian: firmware-amd-graphics or "
                          "firmware-misc-nonfree)"},
                         {"see why", fmt::format("sudo dmesg | grep '{}'", driver)}};
  }
  return step;
}

/// The GPU has a driver, but there is no file to reach it by.
Step missing_node_step(const Machine& machine, const Gpu& gpu) {
  const std::string& container = machine.system.container;
  if (container.empty()) {
    return {"render-node",
            "Find out why /dev/dri is empty",
            fmt::format(
                "The kernel's driver {} has the GPU, but there is no render node for it, by which programs "
                "reach it. A sandbox or chroot may hide it.",
                escape(gpu.driver)),
            {{"run outside of any sandbox", "ls -l /dev/dri"}},
            Restart::kNothing};
  }
  const bool podman = container == "podman";
  return {"container-devices",
          "Start the container with the GPU",
          "The machine has a GPU, but its device files are not in this container. The group is given by its "
          "number, "
          "because its name may mean another one here.",
          {{"run outside of the container",
            podman ? "podman run --device /dev/dri --group-add keep-groups ..."
                   : "docker run --device /dev/dri --group-add $(stat -c %g /dev/dri/renderD128) ..."}},
          Restart::kNothing};
}

Step permission_step(const Machine& machine, const DeviceNode& node) {
  const bool group_may = (node.mode >> 3 & 06) == 06 && node.group != 0;
  if (!group_may) {
    return {"render-node-mode",
            "Let users reach the GPU",
            fmt::format("/dev/dri/{} may be used by root alone.", escape(node.name)),
            {{"write into /etc/udev/rules.d/70-render.rules",
              "SUBSYSTEM==\"drm\", KERNEL==\"renderD*\", GROUP=\"render\", MODE=\"0660\""},
             {"run", "sudo udevadm control --reload && sudo udevadm trigger --subsystem-match=drm"}},
            Restart::kNothing};
  }
  if (!machine.system.container.empty()) {
    const bool podman = machine.system.container == "podman";
    return {"container-group",
            "Start the container with the group of the GPU",
            fmt::format("/dev/dri/{} belongs to group {}, which the user in this container is not in.",
                        escape(node.name), node.group),
            {{"run outside of the container",
              podman ? "podman run --device /dev/dri --group-add keep-groups ..."
                     : fmt::format("docker run --device /dev/dri --group-add {} ...", node.group)}},
            Restart::kNothing};
  }
  return {"render-group",
          fmt::format("Join the group '{}'", escape(node.group_name)),
          fmt::format(
              "/dev/dri/{}, by which programs reach the GPU, belongs to that group, and you are not in it.",
              escape(node.name)),
          {{"run", fmt::format("sudo usermod -aG {} \"$USER\"", escape(node.group_name))}},
          Restart::kLogin};
}

Step vulkan_driver_step(const Machine& machine, const Gpu& gpu) {
  const auto is_for = [&](const std::string& manifest) {
    return gpu.vendor == machine::kVendorAmd
               ? manifest.starts_with("radeon_icd") || manifest.starts_with("amd_icd")
           : gpu.vendor == machine::kVendorIntel ? manifest.starts_with("intel_")
                                                 : manifest.starts_with("nvidia");
  };
  const bool installed = std::ranges::any_of(machine.vulkan_drivers, is_for);
  if (gpu.vendor == machine::kVendorNvidia && !machine.system.container.empty()) {
    return {"container-nvidia",
            "Start the container with NVIDIA's Vulkan driver",
            "NVIDIA's container toolkit leaves it out unless it is asked for all capabilities.",
            {{"run outside of the container", "docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=all ..."}},
            Restart::kNothing};
  }
  if (installed) {
    return {
        "vulkan-driver-old",
        fmt::format("Update the Vulkan driver of the GPU ({})", gpu_name(gpu)),
        fmt::format(
            "It is installed ({}) and the GPU can be reached, but Vulkan does not list it: a driver older "
            "than the GPU does not know it.{}",
            escape(*std::ranges::find_if(machine.vulkan_drivers, is_for)),
            machine::is_strix_halo(gpu) ? " For Strix Halo take Mesa 25.0 or newer." : ""),
        {install_vulkan_driver(machine.system.distribution, gpu.vendor)},
        Restart::kNothing};
  }
  return {"vulkan-driver",
          fmt::format("Install the Vulkan driver of the GPU ({})", gpu_name(gpu)),
          "Programs can reach the GPU, but there is no Vulkan driver for it.",
          {install_vulkan_driver(machine.system.distribution, gpu.vendor)},
          Restart::kNothing};
}

void advise_on_mesa(const Machine& machine, Diagnosis& diagnosis) {
  int major = 0;
  int minor = 0;
  const DeviceInfo& device = *diagnosis.device;
  if (device.type != "integrated" || std::ranges::none_of(machine.gpus, machine::is_strix_halo)) return;
  if (std::sscanf(device.driver.c_str(), "radv Mesa %4d.%4d", &major, &minor) != 2 || major >= 25) return;
  diagnosis.steps.push_back(
      {"mesa-old",
       "Update Mesa to 25.0 or newer",
       fmt::format(
           "This is {}. Caldera's kernels are compiled and checked for Strix Halo with Mesa 25.0; older ones "
           "are not tried.",
           escape(device.driver)),
       {{"install", "Mesa from your distribution's backports or a newer release"}},
       Restart::kNothing});
}

}  // namespace

void advise_on_gpu_access(const Machine& machine, const std::vector<DeviceInfo>& devices,
                          const std::string& vulkan_error, Diagnosis& diagnosis) {
  if (!vulkan_error.empty()) diagnosis.notes.push_back(fmt::format("Vulkan: {}.", escape(vulkan_error)));
  const bool reached = std::ranges::any_of(
      devices, [](const DeviceInfo& device) { return device.usable && device.type != "cpu"; });
  if (reached) {
    advise_on_mesa(machine, diagnosis);
    return;
  }
  bool any = false;
  for (const Gpu& gpu : machine.gpus) {
    if (!computes(gpu)) continue;
    any = true;
    if (gpu.driver.empty()) {
      diagnosis.steps.push_back(kernel_driver_step(machine, gpu));
      continue;
    }
    if (gpu.driver == "vfio-pci") {
      diagnosis.notes.push_back(
          fmt::format("The GPU {} ({}) is kept for a virtual machine (driver vfio-pci).", escape(gpu.address),
                      gpu_name(gpu)));
      continue;
    }
    const DeviceNode* node = find_node(machine, gpu);
    if (uses_render_node(gpu) && node == nullptr) {
      diagnosis.steps.push_back(missing_node_step(machine, gpu));
    } else if (uses_render_node(gpu) && !node->accessible) {
      diagnosis.steps.push_back(permission_step(machine, *node));
    }
    // Whether the Vulkan driver is good enough shows once it can reach the GPU; whether there is one shows
    // now.
    const bool reachable = !uses_render_node(gpu) || (node != nullptr && node->accessible);
    Step driver = vulkan_driver_step(machine, gpu);
    if (reachable || driver.id == "vulkan-driver") diagnosis.steps.push_back(std::move(driver));
  }
  // Two GPUs of a kind need one change.
  std::vector<Step>& steps = diagnosis.steps;
  for (size_t i = 0; i < steps.size(); ++i) {
    const auto same = [&](const Step& step) {
      return step.id == steps[i].id && step.title == steps[i].title;
    };
    steps.erase(std::remove_if(steps.begin() + static_cast<std::ptrdiff_t>(i) + 1, steps.end(), same),
                steps.end());
  }
  for (const DeviceInfo& device : devices) {
    if (!device.usable && device.type != "cpu") {
      diagnosis.notes.push_back(
          fmt::format("{} cannot be used: {}.", escape(device.name), escape(device.reason)));
    }
  }
  if (!any) {
    diagnosis.notes.push_back(
        "There is no GPU that runs Vulkan. Models run on the processor, through Mesa's software driver: "
        "correctly, and "
        "slowly.");
  }
  if (diagnosis.device == nullptr && !any) {
    diagnosis.steps.push_back({"software-driver",
                               "Install Mesa's Vulkan drivers",
                               "There is no Vulkan driver at all. Mesa's software driver needs no GPU.",
                               {machine.system.distribution == machine::Distribution::kArch
                                    ? Instruction{"run", "sudo pacman -S vulkan-swrast"}
                                    : install_vulkan_driver(machine.system.distribution, 0)},
                               Restart::kNothing});
  } else if (!diagnosis.steps.empty()) {
    diagnosis.notes.push_back(diagnosis.device == nullptr ? "Until then no model can be run."
                                                          : "Until then models run on the processor, through "
                                                            "Mesa's software driver: correctly, and slowly.");
  }
}

}  // namespace caldera::cli

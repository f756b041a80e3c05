#include "cli/system_advice.hpp"

#include <fmt/format.h>

#include "machine/gpu.hpp"

namespace caldera::cli {
namespace {

using machine::Boot;
using machine::Distribution;

const char* grub_command(Distribution distribution) {
  switch (distribution) {
    case Distribution::kDebian:
      return "sudo update-grub";
    case Distribution::kFedora:
    case Distribution::kSuse:
      return "sudo grub2-mkconfig -o /boot/grub2/grub.cfg";
    default:
      return "sudo grub-mkconfig -o /boot/grub/grub.cfg";
  }
}

/// The words, each after `prefix` and quoted.
std::string options(const char* prefix, const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += fmt::format(" {}\"{}\"", prefix, word);
  return out;
}

/// Edits to a file or entry that holds the command line as text.
void edit_text(const std::string& file, const std::string& variable, const std::vector<std::string>& add,
               const std::vector<std::string>& remove, std::vector<Instruction>& out) {
  const std::string what = variable.empty() ? "" : " " + variable;
  if (!add.empty()) {
    out.push_back({fmt::format("in {}, add to{}", file, variable.empty() ? " the line" : what),
                   fmt::format("{}", fmt::join(add, " "))});
  }
  if (!remove.empty()) {
    out.push_back({fmt::format("in {}, take out of{}", file, variable.empty() ? " the line" : what),
                   fmt::format("{}", fmt::join(remove, " "))});
  }
}

}  // namespace

std::vector<Instruction> change_kernel_parameters(const machine::OperatingSystem& system,
                                                  const std::vector<std::string>& add,
                                                  const std::vector<std::string>& remove) {
  std::vector<Instruction> out;
  const char* const run = system.container.empty() ? "run" : "run outside of the container";
  switch (system.boot) {
    case Boot::kNixos:
      if (!add.empty()) {
        out.push_back(
            {"in /etc/nixos/configuration.nix", fmt::format("boot.kernelParams = [{} ];", options("", add))});
      }
      if (!remove.empty()) {
        out.push_back({"in /etc/nixos/configuration.nix, take out of boot.kernelParams",
                       fmt::format("{}", fmt::join(remove, " "))});
      }
      out.push_back({run, "sudo nixos-rebuild boot"});
      break;
    case Boot::kOstree:
      out.push_back({run, fmt::format("sudo rpm-ostree kargs{}{}", options("--delete-if-present=", remove),
                                      options("--append-if-missing=", add))});
      break;
    case Boot::kGrubby: {
      std::string command = "sudo grubby --update-kernel=ALL";
      if (!remove.empty()) command += fmt::format(" --remove-args=\"{}\"", fmt::join(remove, " "));
      if (!add.empty()) command += fmt::format(" --args=\"{}\"", fmt::join(add, " "));
      out.push_back({run, command});
      break;
    }
    case Boot::kGrub:
      edit_text("/etc/default/grub", "GRUB_CMDLINE_LINUX_DEFAULT", add, remove, out);
      out.push_back({run, grub_command(system.distribution)});
      break;
    case Boot::kKernelstub:
      if (!remove.empty())
        out.push_back({run, fmt::format("sudo kernelstub -d \"{}\"", fmt::join(remove, " "))});
      if (!add.empty()) out.push_back({run, fmt::format("sudo kernelstub -a \"{}\"", fmt::join(add, " "))});
      break;
    case Boot::kKernelFile:
      edit_text("/etc/kernel/cmdline", "", add, remove, out);
      out.push_back({run, system.distribution == Distribution::kArch ? "sudo mkinitcpio -P"
                                                                     : "sudo kernel-install add-all"});
      break;
    case Boot::kSystemdBoot:
      edit_text("the entries under /boot/loader/entries", "\"options\"", add, remove, out);
      break;
    case Boot::kUnknown:
      edit_text("the settings of your boot loader", "the kernel's parameters", add, remove, out);
      break;
  }
  if (!system.container.empty() && system.boot == Boot::kUnknown) {
    for (Instruction& instruction : out) instruction.where = "outside of the container, " + instruction.where;
  }
  return out;
}

Instruction rebuild_initramfs(Distribution distribution) {
  switch (distribution) {
    case Distribution::kDebian:
      return {"run", "sudo update-initramfs -u"};
    case Distribution::kFedora:
    case Distribution::kSuse:
      return {"run", "sudo dracut --force"};
    case Distribution::kArch:
      return {"run", "sudo mkinitcpio -P"};
    case Distribution::kNixos:
      return {"run", "sudo nixos-rebuild boot"};
    default:
      return {"run", "what makes the initramfs on your system"};
  }
}

Instruction install_vulkan_driver(Distribution distribution, uint16_t vendor) {
  const bool amd = vendor == machine::kVendorAmd;
  if (vendor == machine::kVendorNvidia) {
    switch (distribution) {
      case Distribution::kDebian:
        return {"run (Debian; on Ubuntu: sudo ubuntu-drivers install)",
                "sudo apt install nvidia-driver nvidia-vulkan-icd"};
      case Distribution::kArch:
        return {"run", "sudo pacman -S nvidia-utils"};
      case Distribution::kNixos:
        return {"in /etc/nixos/configuration.nix", "services.xserver.videoDrivers = [ \"nvidia\" ];"};
      default:
        return {"install", "NVIDIA's own driver, with its Vulkan part"};
    }
  }
  switch (distribution) {
    case Distribution::kDebian:
      return {"run", "sudo apt install mesa-vulkan-drivers"};
    case Distribution::kFedora:
      return {"run", "sudo dnf install mesa-vulkan-drivers"};
    case Distribution::kArch:
      return {"run", amd ? "sudo pacman -S vulkan-radeon" : "sudo pacman -S vulkan-intel"};
    case Distribution::kSuse:
      return {"run", amd ? "sudo zypper install libvulkan_radeon" : "sudo zypper install libvulkan_intel"};
    case Distribution::kNixos:
      return {"in /etc/nixos/configuration.nix", "hardware.graphics.enable = true;"};
    default:
      return {"install", "Mesa's Vulkan drivers (mesa-vulkan-drivers)"};
  }
}

}  // namespace caldera::cli

// caldera doctor
#include <unistd.h>

#include "caldera/error.hpp"
#include "cli/command.hpp"
#include "cli/device_json.hpp"
#include "cli/doctor_report.hpp"
#include "cli/output.hpp"
#include "machine/small_file.hpp"

namespace caldera::cli {
namespace {

struct DoctorOptions {
  std::string root;  ///< empty: this machine
  std::string device;
  bool json = false;
};

/// Those of a recorded machine lie in its vulkan.json; without one, it had none.
std::vector<DeviceInfo> recorded_devices(const std::filesystem::path& root) {
  constexpr size_t kMostBytes = 1 << 20;
  const std::filesystem::path path = root / "vulkan.json";
  const std::optional<std::string> text = machine::read_small_file(path, kMostBytes);
  return text ? parse_devices(*text, path.string()) : std::vector<DeviceInfo>();
}

int doctor(const DoctorOptions& options) {
  std::vector<DeviceInfo> devices;
  std::string vulkan_error;
  if (!options.root.empty()) {
    std::error_code error;
    if (!std::filesystem::is_directory(options.root, error))
      throw Error(ErrorKind::kFile, fmt::format("--root {}: no such folder", escape(options.root)));
    devices = recorded_devices(options.root);
  } else {
    try {
      devices = list_devices(options.device);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kDevice) throw;
      vulkan_error = error.what();
    }
  }
  const machine::Machine machine = machine::read_machine(options.root.empty() ? "/" : options.root);
  const Diagnosis diagnosis = diagnose(machine, devices, vulkan_error);
  if (options.json) {
    write_json(report_json(machine, devices, diagnosis));
  } else {
    write_out(report_text(machine, devices, diagnosis, isatty(STDOUT_FILENO) == 1));
  }
  return 0;
}

}  // namespace

void declare_doctor(CLI::App& app, Action& action) {
  const auto options = std::make_shared<DoctorOptions>();
  app.add_option("--device", options->device, "Look at this device: an index or part of a name");
  app.add_option("--root", options->root,
                 "Examine a copy of another machine's procfs, sysfs and settings in this folder; its Vulkan "
                 "devices are those in vulkan.json there, as 'caldera devices --json' prints them");
  app.add_flag("--json", options->json, "Print JSON");
  app.callback([options, &action] { action = [options] { return doctor(*options); }; });
}

}  // namespace caldera::cli

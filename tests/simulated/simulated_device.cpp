#include "simulated/simulated_device.hpp"

#include <dlfcn.h>

#include <cstdlib>

#include "caldera/error.hpp"
#include "simulated/shown_device.hpp"

namespace caldera::test {
namespace {

constexpr char kLayer[] = "VK_LAYER_CALDERA_simulated";
constexpr char kValidation[] = "VK_LAYER_KHRONOS_validation";

/// Where layers are looked for. Of those in VK_INSTANCE_LAYERS the loader puts the first nearest to the
/// program, and those that the program asks for below them; but loaders before 1.3.247 put the one that they
/// found first there. So the installed layers come first in both lists.
std::string layer_folders() {
  const char* set = std::getenv("VK_LAYER_PATH");
  if (set != nullptr && *set != '\0') return set;
  const char* home = std::getenv("HOME");
  return std::string(home == nullptr ? "" : home) +
         "/.local/share/vulkan/explicit_layer.d:/etc/vulkan/explicit_layer.d"
         ":/usr/local/share/vulkan/explicit_layer.d:/usr/share/vulkan/explicit_layer.d";
}

}  // namespace

SimulatedDevice::SimulatedDevice(const std::string& row, const SimulatedOptions& options) {
  try {
    set("CALDERA_SIMULATE", row);
    set("CALDERA_SIMULATE_SCALE", options.scale);
    set("CALDERA_SIMULATE_TYPE", options.as_cpu ? "cpu" : "");
    set("CALDERA_SIMULATE_BUDGET", options.enforce_budget ? "enforced" : "");
    set("CALDERA_SIMULATE_IMPORT", options.refuse_imports ? "refused" : "");
    set("CALDERA_SIMULATE_ALLOCATIONS", options.allocations ? std::to_string(*options.allocations) : "");
    set("CALDERA_SIMULATE_LOSS", options.loss);
    set("VK_LAYER_PATH", layer_folders() + ":" CALDERA_SIMULATED_FOLDER);
    set("VK_INSTANCE_LAYERS", (options.validation ? std::string(kValidation) + ":" : "") + kLayer);
    topology_ = simulated::shown_device().topology;
    // The loader opens the same file and is given this copy, which outlives its instances.
    library_ = dlopen(CALDERA_SIMULATED_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library_ == nullptr) {
      throw Error(ErrorKind::kInternal, std::string("the simulated device cannot be loaded: ") + dlerror());
    }
    const auto get = reinterpret_cast<simulated::GetControl>(dlsym(library_, simulated::kControlSymbol));
    control_ = get();
    if (const char* error = control_->open()) throw Error(ErrorKind::kInternal, error);
  } catch (...) {
    restore();
    throw;
  }
}

SimulatedDevice::~SimulatedDevice() {
  restore();
}

void SimulatedDevice::set(const char* name, const std::string& value) {
  const char* old = std::getenv(name);
  before_.emplace_back(name, old == nullptr ? std::nullopt : std::optional<std::string>(old));
  setenv(name, value.c_str(), 1);
}

void SimulatedDevice::restore() {
  for (const auto& [name, value] : before_) {
    if (value) {
      setenv(name.c_str(), value->c_str(), 1);
    } else {
      unsetenv(name.c_str());
    }
  }
  if (library_ != nullptr) dlclose(library_);
}

}  // namespace caldera::test

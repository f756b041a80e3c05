// A device for `caldera plan` that is on every machine: unified, of 8 GiB in two heaps, at 100 GB/s.

#include "caldera/error.hpp"
#include "engine/bandwidth.hpp"
#include "engine/device_topology.hpp"

namespace caldera::engine {

plan::Topology device_topology(const std::string& choice) {
  if (choice == "none") throw Error(ErrorKind::kDevice, "no usable device is meant by 'none'");
  constexpr uint64_t kGiB = uint64_t{1} << 30;
  plan::Topology topology;
  topology.name = "Fake Graphics";
  topology.type = plan::DeviceType::kIntegrated;
  topology.heaps = {{5 * kGiB, true, 4 * kGiB}, {3 * kGiB, false, std::nullopt}};
  topology.types = {{0, true, true, true, false, false}, {1, false, true, true, false, false}};
  return topology;
}

std::optional<double> read_bandwidth(const std::string&, plan::Reach reach) {
  return reach == plan::Reach::kNear ? std::optional(100.0) : std::nullopt;
}

}  // namespace caldera::engine

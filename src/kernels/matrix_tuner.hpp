// Finding out how the products of a model run fastest on a device's matrix units.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <vector>

#include "kernels/kernels.hpp"
#include "kernels/memory_file.hpp"
#include "kernels/tuner.hpp"
#include "vulkan/device.hpp"

namespace caldera::kernels {

/// What tuning came to for one key.
struct TunedTiles {
  MatrixKey key;
  MatrixTiles tiles;
  uint32_t products = 0;  ///< of this key in a pass
  uint32_t tried = 0;     ///< choices that were timed; 0: it was remembered, or the time was up
  bool remembered = false;
  double seconds = 0;        ///< of one product, of large matrices as the first rows tell; 0: not known
  double usual_seconds = 0;  ///< with the usual tiles; 0: not known
};

/// Chooses, for every product with matrix units among `products` when it is of `tokens` of them: what is
/// remembered in `memory` (see product_memory_file()), and for the rest the fastest of matrix_candidates() as
/// timed on the device with the weights themselves (of large matrices the first rows), those first that take
/// most of a pass. What is found is remembered.
///
/// Nothing is done on a software device, or where matrix units are not used. Never an error: where timing
/// fails (out of memory, say) the usual tiles stay. The device must be idle. What is recorded already stays
/// as it is.
std::vector<TunedTiles> tune_matrices(vulkan::Device& device, Kernels& kernels,
                                      std::span<const Product> products, uint32_t tokens,
                                      const std::filesystem::path& memory, const TuneOptions& options = {});

/// What is remembered of a key.
struct RememberedTiles {
  MatrixTiles tiles;
  double microseconds = 0;  ///< that a product took when it was chosen; for people who read the file
};
using RememberedMatrices = std::map<MatrixKey, RememberedTiles>;

/// Reads what write_matrix_memory() wrote. A file that is missing, damaged, or another owner's counts as
/// empty, and so does one with tiles that are not for these units.
RememberedMatrices read_matrix_memory(const std::filesystem::path& file, const MemoryOwner& owner,
                                      const MatrixUnits& units);
/// Writes them beside what else the file remembers. Failure is not an error.
void write_matrix_memory(const std::filesystem::path& file, const MemoryOwner& owner,
                         const RememberedMatrices& matrices);

}  // namespace caldera::kernels

// How many answers a server gives at once where nobody says.
#pragma once

#include <string>

#include "caldera/model.hpp"

namespace caldera::cli {

/// At least so many.
inline constexpr uint32_t kLeastUsualSequences = 4;

/// As many as share a box (16; 8 on a software device, whose steps of more are slower by as much), if a usual
/// conversation of each fits beside the weights without pushing any of them across a bus; else half as many,
/// and at least kLeastUsualSequences.
uint32_t usual_sequences(const std::string& model, const LoadOptions& options);

}  // namespace caldera::cli

// The memory of known machines, and of those that users describe in a file: topologies.json and its like.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "plan/topology.hpp"

namespace caldera::plan {

/// topologies.json as it was when the program was built.
std::string_view topologies_json();

/// Its rows.
const std::vector<Topology>& topologies();

/// The topologies that `json` describes: one object, or {"topologies": [...], "memory_types": {...}} as in
/// topologies.json. Only "heaps" is demanded of a topology. "types" names a list in "memory_types" of the
/// same text or of topologies.json; a heap that it leaves without types gets those that such heaps usually
/// have. `where` names the text in errors. Errors: kInput, naming the topology and what is wrong with it.
std::vector<Topology> parse_topologies(std::string_view json, const std::string& where);

/// The row of that name; else the topology in the file of that name; "FILE#NAME" is one of several in a file.
/// Errors: kUsage (neither a row nor a file, or several in the file), kFile (unreadable), kInput.
Topology find_topology(const std::string& name_or_path);

}  // namespace caldera::plan

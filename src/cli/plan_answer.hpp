// What `caldera plan` found out, and its two ways of saying it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "plan/plan.hpp"

namespace caldera::cli {

struct PlanAnswer {
  plan::ModelShape shape;
  plan::Topology topology;
  plan::Options options;  ///< with the context that was planned for
  plan::Plan plan;
  /// The longest context that fits with KV memory in each format that the model can have.
  std::vector<std::pair<plan::KvFormat, uint32_t>> longest;
  std::vector<plan::FormatFit> formats;
  std::vector<std::string> remedies;          ///< if it does not fit
  std::vector<std::string> not_computed_yet;  ///< what of the plan this version cannot run
};

/// Works everything out.
PlanAnswer answer_plan(plan::ModelShape shape, plan::Topology topology, plan::Options options);

/// A page for people. Memory in GiB (2^30 bytes), files and what is read in GB (10^9).
std::string plan_text(const PlanAnswer& answer);

/// For programs: sizes in bytes, speeds in tokens and 10^9 bytes a second.
nlohmann::ordered_json plan_json(const PlanAnswer& answer);

/// What there is to plan for: topologies, models and formats.
std::string plan_list_text();
nlohmann::ordered_json plan_list_json();

}  // namespace caldera::cli

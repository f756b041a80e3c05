// caldera plan MODEL | SHAPE
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "caldera/error.hpp"
#include "cli/command.hpp"
#include "cli/kv_options.hpp"
#include "cli/output.hpp"
#include "cli/parse.hpp"
#include "cli/plan_answer.hpp"
#include "engine/bandwidth.hpp"
#include "engine/device_topology.hpp"
#include "gguf/file.hpp"
#include "hub/model_folder.hpp"
#include "model/plan_shape.hpp"
#include "plan/families.hpp"
#include "plan/topology_table.hpp"

namespace caldera::cli {
namespace {

constexpr float kMostBandwidth = 1e6F;

struct PlanRequest {
  std::string model;
  std::string on;
  std::string device;
  plan::Topology topology;
  plan::Options options;
  bool list = false;
  bool json = false;
};

plan::ModelShape shape_of(const std::string& model) {
  if (plan::names_shape(model)) return plan::shape_named(model);
  return model::plan_shape(gguf::File::open(hub::find_model(model)));
}

/// Plans for a device of this machine, with bandwidths as measured now.
void use_device(PlanRequest& request, const plan::ModelShape& shape) {
  try {
    request.topology = engine::device_topology(request.device);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kDevice) throw;
    throw Error(error.kind(),
                fmt::format("{}; --on plans for a machine of 'caldera plan --list' instead", error.what()));
  }
  const plan::Plan plan = plan::make_plan(shape, request.topology, request.options);
  if (!request.options.bandwidth) {
    if (const auto measured = engine::read_bandwidth(request.device))
      request.topology.bandwidth = plan::Bandwidth{0, *measured};
  }
  if (plan.far_weights > 0) request.options.bus = engine::read_bandwidth(request.device, plan::Reach::kFar);
}

int plan_command(PlanRequest request) {
  if (request.list || request.on == "list") {
    if (request.json) {
      write_json(plan_list_json());
    } else {
      write_out(plan_list_text());
    }
    return 0;
  }
  if (request.model.empty()) {
    throw Error(ErrorKind::kUsage,
                "name a GGUF file or a model such as llama-3.1-8b:q4_k_m; 'caldera plan --list' lists them");
  }
  const plan::ModelShape shape = shape_of(request.model);
  if (request.on.empty()) {
    use_device(request, shape);
  } else if (!request.device.empty()) {
    throw Error(ErrorKind::kUsage,
                "--device means one of this machine, --on another machine: give one of them");
  } else {
    request.topology = plan::find_topology(request.on);
  }
  const PlanAnswer answer = answer_plan(shape, request.topology, request.options);
  if (request.json) {
    write_json(plan_json(answer));
  } else {
    write_out(plan_text(answer));
  }
  return 0;
}

}  // namespace

void declare_plan(CLI::App& app, Action& action) {
  const auto request = std::make_shared<PlanRequest>();
  app.add_option("MODEL", request->model,
                 "A GGUF file, a model that was pulled, or a shape and a format: llama-3.1-405b:iq1_s");
  app.add_option("--on", request->on,
                 "Plan for a machine of the list, or of a JSON file like it (default: this one)");
  app.add_option("--device", request->device,
                 "Plan for this device: an index or part of a name of 'caldera devices'");
  app.add_flag("--list", request->list, "List the machines, models and formats that have names");
  app.add_option_function<std::string>(
      "-c,--context",
      [request](const std::string& text) {
        request->options.use.context =
            static_cast<uint32_t>(parse_integer("--context", text, 1, model::kMaxContext));
      },
      "Most tokens of a conversation (default: 8192, or the model's own if that is less)");
  declare_kv_options(app, request->options.use.kv);
  app.add_flag("--keep-kv", request->options.use.keep_kv,
               "Say what a copy of keys and values in host memory takes");
  app.add_option_function<std::string>(
      "--sequences",
      [request](const std::string& text) {
        request->options.use.sequences =
            static_cast<uint32_t>(parse_integer("--sequences", text, 1, plan::kMaxSequences));
      },
      "Conversations at once (default: 1)");
  app.add_option_function<std::string>(
      "--memory-limit",
      [request](const std::string& text) {
        request->options.memory_limit = parse_size("--memory-limit", text);
      },
      "Most of the device's memory to use: 96GiB, 500M (default: what it gives)");
  app.add_option_function<std::string>(
      "--bandwidth",
      [request](const std::string& text) {
        request->options.bandwidth = parse_number("--bandwidth", text, 0, kMostBandwidth, true);
      },
      "Read bandwidth of the memory in GB/s (default: measured, or the list's)");
  app.add_flag("--json", request->json, "Print JSON");
  app.callback([request, &action] { action = [request] { return plan_command(*request); }; });
}

}  // namespace caldera::cli

#include "cli/load_options.hpp"

#include <map>
#include <string>

#include "cli/kv_options.hpp"
#include "cli/parse.hpp"

namespace caldera::cli {

void declare_load_options(CLI::App& app, LoadOptions& options) {
  app.add_option("--device", options.device, "The device: an index or part of a name of 'caldera devices'");
  app.add_option_function<std::string>(
      "--memory-limit",
      [&options](const std::string& text) { options.memory_limit = parse_size("--memory-limit", text); },
      "Most device memory to use: 96GiB, 500M; on a graphics card, of its own memory (default: what the "
      "device "
      "gives)");
  declare_kv_options(app, options.kv);
  static const std::map<std::string, LoadWay> kWays = {
      {"auto", LoadWay::kAuto}, {"copy", LoadWay::kCopy}, {"import", LoadWay::kImport}};
  app.add_option_function<std::string>(
         "--load", [&options](const std::string& text) { options.way = kWays.at(text); },
         "How weights get into memory: copy, import (the device reads the mapped file), or auto (the "
         "default)")
      ->check(CLI::IsMember({"auto", "copy", "import"}));
  static const std::map<std::string, Arithmetic> kArithmetics = {{"auto", Arithmetic::kAuto},
                                                                 {"f32", Arithmetic::kF32},
                                                                 {"f16", Arithmetic::kF16},
                                                                 {"int8", Arithmetic::kInt8}};
  app.add_option_function<std::string>(
         "--arithmetic", [&options](const std::string& text) { options.arithmetic = kArithmetics.at(text); },
         "How weights are multiplied: decoding with activations in 8 bits (int8) or in f32, prompts in f16 "
         "where "
         "the device has matrix units (not with f32; with f16 on software devices too), or what suits the "
         "device (auto, the default)")
      ->check(CLI::IsMember({"auto", "f32", "f16", "int8"}));
  static const std::map<std::string, Tuning> kTunings = {
      {"auto", Tuning::kAuto}, {"again", Tuning::kAgain}, {"off", Tuning::kOff}};
  app.add_option_function<std::string>(
         "--tune", [&options](const std::string& text) { options.tuning = kTunings.at(text); },
         "Whether to find out how decoding runs fastest on a GPU: what is not remembered (auto, the "
         "default), "
         "again, or not (off)")
      ->check(CLI::IsMember({"auto", "again", "off"}));
  app.add_option_function<std::string>(
      "--submit-target",
      [&options](const std::string& text) {
        options.submit_target = double{parse_number("--submit-target", text, 1, 10000)} * 1e-3;
      },
      "Milliseconds that the device is to take for one submission (default: 100): less lets others use it "
      "sooner, and more costs nothing where nobody waits and no driver watches");
  app.add_flag(
      "--keep-kv", options.keep_kv,
      "Keep a copy of keys and values in host memory, so that after a lost device only the last tokens "
      "are read again");
  app.add_option_function<std::string>(
      "--ring", [&options](const std::string& text) { options.ring_bytes = parse_size("--ring", text); },
      "Host memory that the file is read through, at most 1GiB (default: 256MiB)");
}

}  // namespace caldera::cli

// caldera pull NAME
#include "hub/pull.hpp"

#include <chrono>
#include <memory>
#include <string>

#include "caldera/error.hpp"
#include "cli/command.hpp"
#include "cli/interrupt.hpp"
#include "cli/output.hpp"
#include "cli/progress_bar.hpp"

namespace caldera::cli {
namespace {

using hub::PullProgress;

struct PullRequest {
  std::string name;
  std::string hub;
  std::string revision = "main";
  bool quiet = false;
};

/// "12 s", "3 min", "2.5 h".
std::string rough_time(double seconds) {
  if (seconds < 100) return fmt::format("{:.0f} s", seconds);
  return seconds < 5400 ? fmt::format("{:.0f} min", seconds / 60) : fmt::format("{:.1f} h", seconds / 3600);
}

/// Draws what goes on, with the rate since the bytes began to come.
class PullReport {
 public:
  explicit PullReport(bool quiet) : quiet_(quiet), bar_("fetching", !quiet), checking_("checking", !quiet) {}

  void show(const PullProgress& progress) {
    switch (progress.stage) {
      case PullProgress::Stage::kListing:
        return;
      case PullProgress::Stage::kChecking:
        bar_.clear();
        return checking_.update(progress.bytes_done, progress.bytes_total, escape(progress.file));
      case PullProgress::Stage::kWaiting:
        bar_.clear();
        if (!quiet_) say("{}; trying again in {:.0f} s", one_line(progress.why), progress.seconds);
        return;
      case PullProgress::Stage::kFetching:
        checking_.clear();
        return fetching(progress);
    }
  }
  void clear() {
    bar_.clear();
    checking_.clear();
  }

 private:
  using Clock = std::chrono::steady_clock;

  void fetching(const PullProgress& progress) {
    if (!began_) {
      began_ = true;
      start_ = Clock::now();
      first_ = progress.bytes_done;
      if (!quiet_) say("fetching {} ({})", escape(progress.file), human_bytes(progress.bytes_total));
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    const auto came = static_cast<double>(progress.bytes_done - std::min(first_, progress.bytes_done));
    std::string detail =
        fmt::format("{} of {}", human_bytes(progress.bytes_done), human_bytes(progress.bytes_total));
    if (seconds > 1 && came > 0) {
      const double rate = came / seconds;
      const auto left = static_cast<double>(progress.bytes_total - progress.bytes_done);
      detail += fmt::format(", {:.1f} MB/s, about {} left", rate / 1e6, rough_time(left / rate));
    }
    bar_.update(progress.bytes_done, progress.bytes_total, detail);
  }

  bool quiet_;
  ProgressBar bar_;
  ProgressBar checking_;
  bool began_ = false;
  Clock::time_point start_;
  uint64_t first_ = 0;
};

int pull(const PullRequest& request) {
  const auto name = hub::parse_model_name(request.name);
  if (!name) {
    throw Error(ErrorKind::kUsage,
                fmt::format("'{}' is no model of a hub: write OWNER/REPO, OWNER/REPO:FORMAT (q4_k_m), or "
                            "OWNER/REPO/FILE.gguf",
                            escape(request.name)));
  }
  hub::HubOptions options = hub::hub_options(request.hub);
  options.revision = request.revision;
  options.transfer.user_agent = "caldera/" CALDERA_VERSION;
  hub::Hub hub(options);
  const hub::ModelFolder folder(hub::default_model_folder());
  PullReport report(request.quiet);
  hub::Pulled pulled;
  try {
    pulled = hub::pull(*name, folder, hub, [&](const PullProgress& progress) {
      report.show(progress);
      return !interrupt::pending();
    });
  } catch (const hub::TransferCancelled&) {
    report.clear();
    if (!request.quiet) say("what has come is kept: the same command goes on from there");
    throw Interrupted();
  }
  report.clear();
  if (!request.quiet) {
    if (!pulled.checksums) say("warning: the hub gives no checksums for it: only its size could be checked");
    if (pulled.was_there) {
      say("{} is there already ({})", escape(pulled.model.name), human_bytes(pulled.model.bytes));
    } else {
      say("{} is there now ({}): caldera run {}", escape(pulled.model.name), human_bytes(pulled.model.bytes),
          escape(pulled.model.name));
    }
  }
  write_out(pulled.model.path().string() + "\n");
  return 0;
}

}  // namespace

void declare_pull(CLI::App& app, Action& action) {
  const auto request = std::make_shared<PullRequest>();
  app.add_option("NAME", request->name,
                 "The model: OWNER/REPO, OWNER/REPO:FORMAT where it has several, or OWNER/REPO/FILE.gguf")
      ->required();
  app.add_option("--hub", request->hub,
                 "The hub's address (default: $CALDERA_HUB, $HF_ENDPOINT, https://huggingface.co)");
  app.add_option("--revision", request->revision, "A branch, tag or commit of it (default: main)");
  app.add_flag("-q,--quiet", request->quiet, "Print nothing but the path of the file and errors");
  app.callback([request, &action] { action = [request] { return pull(*request); }; });
}

}  // namespace caldera::cli

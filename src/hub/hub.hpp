// A hub that speaks as Hugging Face's does: lists a repository, and gives its files.
// https://huggingface.co/docs/hub/api#repo-listing-api
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "hub/file_set.hpp"
#include "hub/partial_file.hpp"
#include "hub/transfer.hpp"

namespace caldera::hub {

struct HubOptions {
  std::string url = "https://huggingface.co";
  std::string token;  ///< or empty; goes to `url` alone, and not over plain HTTP to another machine
  std::string revision = "main";               ///< a branch, tag or commit
  uint32_t tries = 6;                          ///< in a row that come to nothing
  std::chrono::milliseconds first_wait{1000};  ///< before the second try; doubled for each one after it
  std::chrono::seconds longest_wait{120};      ///< a server that asks for more is told off
  TransferOptions transfer;
};

/// The hub that `given`, else CALDERA_HUB, else HF_ENDPOINT names, and the token of HF_TOKEN.
/// Errors: kUsage (no URL).
HubOptions hub_options(const std::string& given);

/// What a hub is told while it is waited for.
struct HubWatch {
  /// Whether to go on; called several times a second.
  std::function<bool()> go_on = [] { return true; };
  /// Another try follows in so many seconds; one line with why.
  std::function<void(const std::string& why, double seconds)> on_wait = [](const std::string&, double) {};
};

class Hub {
 public:
  explicit Hub(HubOptions options);

  const std::string& url() const { return options_.url; }
  /// All files of a repository. Errors: kFile, TransferCancelled.
  std::vector<File> files(const std::string& repo, const HubWatch& watch);
  /// Fetches what `file` still lacks of `path`. What came stays in it whatever happens, but for content that
  /// is another by now, or no GGUF. Returns whether all of it came in one piece. Errors: kFile, kFormat (no
  /// GGUF), TransferCancelled.
  bool fetch(const std::string& repo, const std::string& path, PartialFile& file, const HubWatch& watch);

 private:
  struct Job;
  /// Tries until the job is complete. Returns the last reply.
  Reply run(const Job& job, const std::string& what, const HubWatch& watch);
  [[noreturn]] void refuse(const Reply& reply, const std::string& what) const;

  HubOptions options_;
  bool token_withheld_ = false;
  Transfer transfer_;
};

}  // namespace caldera::hub

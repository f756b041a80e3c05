#include "hub/partial_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "caldera/error.hpp"
#include "gguf/output_file.hpp"
#include "gguf/system_message.hpp"
#include "hub/transfer.hpp"

namespace caldera::hub {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kPartial = ".part";
constexpr size_t kPiece = size_t{1} << 20;
constexpr size_t kMostNotes = 4096;

std::filesystem::path hidden(const std::filesystem::path& target, std::string_view ending) {
  return target.parent_path() / fmt::format(".{}{}", target.filename().string(), ending);
}

std::filesystem::path receipt(const std::filesystem::path& target) {
  return hidden(target, ".sha256");
}

/// The beginning of a small file; empty where there is none.
std::string read_small(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::string text(kMostNotes, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(std::max<std::streamsize>(stream.gcount(), 0)));
  return text;
}

void write_small(const std::filesystem::path& path, const std::string& text) {
  gguf::OutputFile file(path);
  file.write(std::as_bytes(std::span(text)));
  file.commit();
}

std::string text_of(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// Adds bytes [0, count) of an open file to `hash`.
void hash_file(int descriptor, const std::filesystem::path& path, uint64_t count, Sha256& hash,
               const GoOn& go_on) {
  std::vector<std::byte> piece(kPiece);
  for (uint64_t at = 0; at < count;) {
    if (!go_on(at)) throw TransferCancelled();
    const ssize_t got =
        pread(descriptor, piece.data(), std::min<uint64_t>(piece.size(), count - at), static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      throw Error(ErrorKind::kFile, fmt::format("{}: cannot be read: {}", path.string(),
                                                got < 0 ? gguf::system_message(errno) : "it became shorter"));
    }
    hash.add(std::span(piece).first(static_cast<size_t>(got)));
    at += static_cast<uint64_t>(got);
  }
}

/// Whether `path` still names the open file: another process may have put it in place meanwhile.
bool is_still(int descriptor, const std::filesystem::path& path) {
  struct stat open_file {};
  struct stat named {};
  return fstat(descriptor, &open_file) == 0 && stat(path.c_str(), &named) == 0 &&
         open_file.st_ino == named.st_ino && open_file.st_dev == named.st_dev;
}

void sync_folder(const std::filesystem::path& folder) {
  const gguf::Descriptor descriptor(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor.number() >= 0) fsync(descriptor.number());
}

}  // namespace

PartialFile::PartialFile(std::filesystem::path target, const File& content)
    : target_(std::move(target)),
      path_(hidden(target_, kPartial)),
      notes_(hidden(target_, ".part.json")),
      wanted_(content.bytes),
      wanted_sha256_(content.sha256) {
  std::error_code error;
  std::filesystem::create_directories(target_.parent_path(), error);
  if (error) {
    throw Error(ErrorKind::kFile, fmt::format("{}: cannot be made: {}; CALDERA_MODELS names another folder",
                                              target_.parent_path().string(), error.message()));
  }
  do {
    descriptor_ = gguf::Descriptor(open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (descriptor_.number() < 0) fail("be opened", errno);
    if (flock(descriptor_.number(), LOCK_EX | LOCK_NB) != 0) {
      throw Error(ErrorKind::kFile,
                  fmt::format("{}: another caldera pull is fetching it: wait for that", target_.string()));
    }
  } while (!is_still(descriptor_.number(), path_));
  struct stat status {};
  if (fstat(descriptor_.number(), &status) != 0) fail("be examined", errno);
  const Json notes = Json::parse(read_small(notes_), nullptr, false);
  const bool same = notes.is_object() && notes.value("bytes", Json()) == wanted_ &&
                    text_of(notes, "sha256") == wanted_sha256_;
  const std::string etag = same ? text_of(notes, "etag") : std::string();
  // Without a checksum or an ETag nothing would tell whether what comes next belongs to what is there.
  if (status.st_size > 0 && same && static_cast<uint64_t>(status.st_size) <= wanted_ &&
      !(etag.empty() && wanted_sha256_.empty())) {
    bytes_ = static_cast<uint64_t>(status.st_size);
    etag_ = etag;
  } else {
    restart({});
  }
}

PartialFile::~PartialFile() {
  if (descriptor_ && bytes_ == 0) discard();
}

void PartialFile::fail(const char* what, int error) const {
  throw Error(ErrorKind::kFile,
              fmt::format("{}: cannot {}: {}", path_.string(), what, gguf::system_message(error)));
}

void PartialFile::restart(const std::string& etag) {
  if (ftruncate(descriptor_.number(), 0) != 0) fail("be emptied", errno);
  bytes_ = 0;
  hash_.emplace();
  etag_ = etag;
  const Json notes = {{"bytes", wanted_}, {"sha256", wanted_sha256_}, {"etag", etag_}};
  write_small(notes_, notes.dump(-1, ' ', false, Json::error_handler_t::replace));
}

void PartialFile::append(std::span<const std::byte> piece) {
  if (piece.size() > wanted_ - bytes_) {
    throw Error(ErrorKind::kFile,
                fmt::format("{}: more comes than the {} bytes that the hub lists: try again later",
                            target_.string(), wanted_));
  }
  for (size_t at = 0; at < piece.size();) {
    const ssize_t put =
        pwrite(descriptor_.number(), piece.data() + at, piece.size() - at, static_cast<off_t>(bytes_ + at));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail("be written", errno);
    at += static_cast<size_t>(put);
  }
  if (hash_) hash_->add(piece);
  bytes_ += piece.size();
}

std::string PartialFile::sha256(const GoOn& go_on) {
  Sha256 hash;
  if (hash_) {
    hash = std::move(*hash_);
    hash_.reset();
  } else {
    hash_file(descriptor_.number(), path_, bytes_, hash, go_on);
  }
  return hash.finish();
}

void PartialFile::discard() {
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
  std::filesystem::remove(notes_, ignored);
  descriptor_ = {};
}

void PartialFile::put_in_place(const std::string& sha256) {
  if (fsync(descriptor_.number()) != 0) fail("be written", errno);
  std::error_code error;
  std::filesystem::rename(path_, target_, error);
  if (error) fail("get its name", error.value());
  std::filesystem::remove(notes_, error);
  write_small(receipt(target_), sha256 + "\n");
  sync_folder(target_.parent_path());
}

std::string target_of_partial(const std::string& name) {
  if (!name.starts_with('.') || !name.ends_with(kPartial)) return {};
  return name.substr(1, name.size() - 1 - kPartial.size());
}

std::optional<uint64_t> announced_bytes(const std::filesystem::path& target) {
  const Json notes = Json::parse(read_small(hidden(target, ".part.json")), nullptr, false);
  if (!notes.is_object()) return std::nullopt;
  const auto found = notes.find("bytes");
  return found != notes.end() && found->is_number_unsigned() ? std::optional(found->get<uint64_t>())
                                                             : std::nullopt;
}

std::string noted_sha256(const std::filesystem::path& target) {
  const std::string text = read_small(receipt(target));
  return text.substr(0, text.find_first_of("\r\n"));
}

std::string sha256_of(const std::filesystem::path& path, const GoOn& go_on) {
  const gguf::Descriptor descriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::error_code error;
  const uint64_t bytes = std::filesystem::file_size(path, error);
  if (descriptor.number() < 0 || error) {
    throw Error(ErrorKind::kFile, fmt::format("{}: cannot be read", path.string()));
  }
  Sha256 hash;
  hash_file(descriptor.number(), path, bytes, hash, go_on);
  return hash.finish();
}

void remove_with_notes(const std::filesystem::path& target) {
  std::error_code error;
  std::filesystem::remove(target, error);
  if (error) {
    throw Error(ErrorKind::kFile, fmt::format("{}: cannot be removed: {}", target.string(), error.message()));
  }
  for (const std::string_view ending :
       {std::string_view(".sha256"), kPartial, std::string_view(".part.json")}) {
    std::filesystem::remove(hidden(target, ending), error);
  }
}

}  // namespace caldera::hub

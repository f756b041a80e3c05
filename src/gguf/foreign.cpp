#include "gguf/foreign.hpp"

#include <algorithm>
#include <cstring>
#include <string>

namespace caldera::gguf {
namespace {

struct Signature {
  std::string_view start;  ///< in lower case
  std::string_view sentence;
};

using namespace std::string_view_literals;

constexpr std::string_view kWebPage =
    "it looks like a web page, which a server sends in place of a file that it refuses; fetch the model "
    "again";
constexpr std::string_view kOldGgml =
    "it is a model in a GGML format older than GGUF; get a GGUF of this model";

constexpr Signature kSignatures[] = {
    {"<!doctype html"sv, kWebPage},
    {"<html"sv, kWebPage},
    {"version https://git-lfs"sv,
     "it is a Git LFS pointer, not the model itself; run `git lfs pull` in its folder"},
    {"lmgg"sv, kOldGgml},
    {"fmgg"sv, kOldGgml},
    {"tjgg"sv, kOldGgml},
    {"algg"sv, "it is a LoRA adapter in a GGML format older than GGUF; convert it to GGUF"},
    {"pk\x03\x04"sv,
     "it looks like a zip archive, as PyTorch writes them; unpack it, or convert the model to GGUF"},
    {"\x80\x02"sv, "it looks like a Python pickle, as PyTorch writes them; convert the model to GGUF"},
    {"\x1f\x8b"sv, "it looks like a gzip archive; unpack it first"},
    {"\x28\xb5\x2f\xfd"sv, "it looks like a zstd archive; unpack it first"},
    {"\xfd"
     "7zxz"sv,
     "it looks like an xz archive; unpack it first"},
    {"\x89hdf"sv, "it looks like an HDF5 file; convert the model to GGUF"},
    {"{"sv, "it looks like JSON, perhaps the config or the tokenizer of a model; give the .gguf file"},
};

}  // namespace

std::string_view describe_foreign(std::span<const std::byte> start, uint64_t file_bytes) {
  std::string text(start.size(), '\0');
  std::ranges::transform(start, text.begin(), [](std::byte byte) {
    const char c = static_cast<char>(byte);
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  const size_t first = text.find_first_not_of(" \t\r\n");
  const std::string_view trimmed =
      first == std::string::npos ? std::string_view() : std::string_view(text).substr(first);
  for (const Signature& signature : kSignatures) {
    if (trimmed.starts_with(signature.start)) return signature.sentence;
  }
  // https://github.com/huggingface/safetensors#format: the length of a JSON header, then the header.
  if (start.size() > 8 && text[8] == '{') {
    uint64_t header;
    std::memcpy(&header, start.data(), sizeof(header));
    if (header < file_bytes) return "it looks like a safetensors file; convert the model to GGUF";
  }
  if (!text.empty() && text.find_first_not_of('\0') == std::string::npos) {
    return "it begins with zeros, as a download does that did not finish; fetch it again";
  }
  return {};
}

}  // namespace caldera::gguf

// A GGUF model: one file or its splits, opened, validated, and read piece by piece.
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3, little-endian).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/metadata.hpp"
#include "quant/format.hpp"

namespace caldera::gguf {

class InputFile;  // input_file.hpp

/// Where a tensor lies and what shape it has.
struct Tensor {
  std::string name;
  uint32_t type;                ///< GGUF type number as the file says it; see format()
  std::vector<uint64_t> shape;  ///< as in the file: shape[0] is the row length (contiguous); 1 to 4 entries
  uint32_t file;                ///< index into File::paths()
  uint64_t offset;              ///< bytes from the start of that file
  uint64_t bytes;

  uint64_t elements() const;
  uint64_t columns() const { return shape[0]; }  ///< length of one row
  uint64_t rows() const;                         ///< product of the other dimensions
  /// The format; an Error (kUnsupported) that names tensor and type if Caldera cannot compute with it.
  quant::Format format() const;
};

/// A tensor's name without the number of its layer: "blk.17.attn_q.weight" as "blk.N.attn_q.weight".
std::string without_layer(const std::string& name);

/// An opened model. Opening reads headers only; every count, offset and size has been checked against the
/// files' real lengths, so reads inside a tensor stay inside the file.
class File {
 public:
  /// Opens `path`; if it is one of a split set (`-00001-of-000NN.gguf`), all of them.
  /// Errors: kFile (absent, unreadable, a split missing), kFormat (not a GGUF, truncated, inconsistent).
  static File open(const std::filesystem::path& path);

  File(File&&) noexcept;
  File& operator=(File&&) noexcept;
  ~File();

  uint32_t version() const;
  const Metadata& metadata() const;
  const std::vector<Tensor>& tensors() const;
  const Tensor* find(std::string_view name) const;
  const std::vector<std::filesystem::path>& paths() const;
  uint64_t file_bytes() const;  ///< all splits together

  /// Reads `out.size()` bytes of the tensor from `offset` bytes into it.
  /// Errors: kFile, naming the tensor and offset, when the read fails or comes up short.
  void read(const Tensor& tensor, uint64_t offset, std::span<std::byte> out) const;

  /// Errors: kFile, when the tensor's file was changed since it was opened; `offset` is the byte of the
  /// tensor that was reached, for the message. Cheap: one system call.
  void demand_unchanged(const Tensor& tensor, uint64_t offset) const;

  /// File `index` of paths(), for the other ways to read it (read_queue.hpp, mapped_file.hpp). Errors:
  /// kInternal, when there is none.
  const InputFile& input(uint32_t index) const;

 private:
  struct State;
  explicit File(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Parses the header of one GGUF file held in memory, as File::open does (for fuzzing and tests).
/// `file_bytes` is the length the file claims to have.
void validate_header(std::span<const std::byte> bytes, uint64_t file_bytes);

}  // namespace caldera::gguf

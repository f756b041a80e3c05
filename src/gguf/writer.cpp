#include "gguf/writer.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <type_traits>

#include "caldera/error.hpp"
#include "gguf/output_file.hpp"
#include "gguf/printable.hpp"
#include "gguf/split_name.hpp"
#include "gguf/value_type.hpp"

namespace caldera::gguf {
namespace {

using Bytes = std::vector<std::byte>;

void append_bytes(Bytes& out, std::span<const std::byte> bytes) {
  const size_t end = out.size();
  out.resize(end + bytes.size());
  std::ranges::copy(bytes, out.begin() + static_cast<std::ptrdiff_t>(end));
}

template <class T>
void append(Bytes& out, T value) {
  static_assert(std::is_arithmetic_v<T>);
  append_bytes(out, std::as_bytes(std::span(&value, 1)));
}

void append(Bytes& out, const std::string& text) {
  append(out, uint64_t{text.size()});
  append_bytes(out, std::as_bytes(std::span(text)));
}

/// A value as a file holds it: its type, then the value.
template <class T>
Bytes encode_value(ValueType type, const T& value) {
  Bytes out;
  append(out, static_cast<uint32_t>(type));
  append(out, value);
  return out;
}

template <class T>
Bytes encode_array(ValueType type, const std::vector<T>& values) {
  Bytes out = encode_value(ValueType::kArray, static_cast<uint32_t>(type));
  append(out, uint64_t{values.size()});
  for (const T& value : values) append(out, value);
  return out;
}

uint64_t align(uint64_t offset, uint64_t alignment) {
  return (offset + alignment - 1) / alignment * alignment;
}

}  // namespace

void Writer::put(const std::string& key, Bytes encoded) {
  const auto at = std::ranges::find(metadata_, key, &Encoded::value_type::first);
  if (at != metadata_.end()) {
    at->second = std::move(encoded);
  } else {
    metadata_.emplace_back(key, std::move(encoded));
  }
}

void Writer::set(const std::string& key, uint32_t value) {
  if (key == "general.alignment") alignment_ = value;
  put(key, encode_value(ValueType::kUint32, value));
}
void Writer::set(const std::string& key, float value) {
  put(key, encode_value(ValueType::kFloat32, value));
}
void Writer::set(const std::string& key, bool value) {
  put(key, encode_value(ValueType::kBool, static_cast<uint8_t>(value ? 1 : 0)));
}
void Writer::set(const std::string& key, const std::string& value) {
  put(key, encode_value(ValueType::kString, value));
}
void Writer::set(const std::string& key, const std::vector<std::string>& values) {
  put(key, encode_array(ValueType::kString, values));
}
void Writer::set(const std::string& key, const std::vector<float>& values) {
  put(key, encode_array(ValueType::kFloat32, values));
}
void Writer::set(const std::string& key, const std::vector<int32_t>& values) {
  put(key, encode_array(ValueType::kInt32, values));
}

void Writer::add(Pending tensor) {
  const auto fail = [&](const std::string& message) {
    throw Error(ErrorKind::kInternal, fmt::format("tensor {}: {}", quote(tensor.name), message));
  };
  if (tensor.shape.empty() || tensor.shape.size() > 4) fail("a shape has 1 to 4 dimensions");
  uint64_t elements = 1;
  for (const uint64_t dimension : tensor.shape) {
    if (dimension == 0) fail("a dimension is 0");
    if (dimension > std::numeric_limits<uint64_t>::max() / elements) fail("its size overflows");
    elements *= dimension;
  }
  quant::bytes_for(tensor.format, tensor.shape[0]);  // a row must be whole blocks
  tensor.bytes = quant::bytes_for(tensor.format, elements);
  if (!tensor.produce && tensor.data.size() != tensor.bytes) {
    fail(fmt::format("{} bytes of data, not {}", tensor.data.size(), tensor.bytes));
  }
  if (!names_.insert(tensor.name).second) fail("was added twice");
  tensors_.push_back(std::move(tensor));
}

void Writer::add(const std::string& name, quant::Format format, std::vector<uint64_t> shape, Bytes data) {
  add(Pending{name, format, std::move(shape), std::move(data), nullptr, 0});
}

void Writer::add(const std::string& name, quant::Format format, std::vector<uint64_t> shape,
                 Produce produce) {
  add(Pending{name, format, std::move(shape), {}, std::move(produce), 0});
}

std::filesystem::path Writer::write(const std::filesystem::path& path, uint32_t splits) const {
  if (splits == 0 || splits > kMaxSplits) {
    throw Error(ErrorKind::kUsage,
                fmt::format("{} splits are impossible; choose 1 to {}", splits, kMaxSplits));
  }
  if (alignment_ == 0 || (alignment_ & (alignment_ - 1)) != 0) {
    throw Error(ErrorKind::kUsage, fmt::format("the alignment {} is no power of two", alignment_));
  }
  std::vector<std::unique_ptr<OutputFile>> files;
  if (splits == 1) {
    write_one(*files.emplace_back(std::make_unique<OutputFile>(path)), metadata_, tensors_);
    files.front()->commit();
    return path;
  }
  std::filesystem::path model = path;
  if (model.extension() == ".gguf") model.replace_extension();
  uint64_t total = 0;
  for (const Pending& tensor : tensors_) total += tensor.bytes;
  size_t next = 0;
  uint64_t written = 0;
  for (uint32_t i = 0; i < splits; ++i) {
    const size_t first = next;
    const bool last = i + 1 == splits;
    // Up to an even share of what is left; in double, where a product of 64-bit sizes cannot overflow.
    const double share = static_cast<double>(total) * (i + 1) / splits;
    while (next < tensors_.size() && (last || static_cast<double>(written) < share))
      written += tensors_[next++].bytes;
    Encoded metadata = i == 0 ? metadata_ : Encoded{};
    if (i != 0) metadata.emplace_back("general.alignment", encode_value(ValueType::kUint32, alignment_));
    metadata.emplace_back("split.no", encode_value(ValueType::kUint16, static_cast<uint16_t>(i)));
    metadata.emplace_back("split.count", encode_value(ValueType::kUint16, static_cast<uint16_t>(splits)));
    metadata.emplace_back("split.tensors.count",
                          encode_value(ValueType::kInt32, static_cast<int32_t>(tensors_.size())));
    auto& file = *files.emplace_back(std::make_unique<OutputFile>(split_path(model, i + 1, splits)));
    write_one(file, metadata, std::span(tensors_).subspan(first, next - first));
  }
  // The first file, which is the one to open, appears last.
  for (auto file = files.rbegin(); file != files.rend(); ++file) (*file)->commit();
  return split_path(model, 1, splits);
}

void Writer::write_one(OutputFile& file, const Encoded& metadata, std::span<const Pending> tensors) const {
  constexpr uint32_t kMagic = 0x46554747;  // "GGUF"
  constexpr uint32_t kVersion = 3;
  Bytes header;
  append(header, kMagic);
  append(header, kVersion);
  append(header, uint64_t{tensors.size()});
  append(header, uint64_t{metadata.size()});
  for (const auto& [key, value] : metadata) {
    append(header, key);
    append_bytes(header, value);
  }
  uint64_t offset = 0;
  for (const Pending& tensor : tensors) {
    append(header, tensor.name);
    append(header, static_cast<uint32_t>(tensor.shape.size()));
    for (const uint64_t dimension : tensor.shape) append(header, dimension);
    append(header, static_cast<uint32_t>(tensor.format));
    append(header, offset);
    offset = align(offset + tensor.bytes, alignment_);
  }
  file.write(header);
  file.pad(alignment_);
  for (const Pending& tensor : tensors) {
    if (tensor.produce) {
      write_produced(file, tensor);
    } else {
      file.write(tensor.data);
    }
    file.pad(alignment_);
  }
}

void Writer::write_produced(OutputFile& file, const Pending& tensor) {
  constexpr uint64_t kPiece = uint64_t{4} << 20;
  const uint64_t row = quant::bytes_for(tensor.format, tensor.shape[0]);
  const uint64_t unit = row <= kPiece ? row : quant::info(tensor.format).block_bytes;
  Bytes piece;
  for (uint64_t offset = 0; offset < tensor.bytes; offset += piece.size()) {
    piece.resize(static_cast<size_t>(std::min(kPiece / unit * unit, tensor.bytes - offset)));
    tensor.produce(offset, piece);
    file.write(piece);
  }
}

}  // namespace caldera::gguf

// Damaged files: each ends in an Error of one line, or opens and reads; nothing else.
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "expect_error.hpp"
#include "gguf/file.hpp"
#include "raw_gguf.hpp"
#include "temporary_folder.hpp"

namespace caldera::gguf {
namespace {

constexpr uint64_t kHuge = std::numeric_limits<uint64_t>::max();

/// Opens the bytes as a file and reads every tensor; true if that is possible. Any exception but Error fails
/// the test.
bool survives(const TemporaryFolder& folder, const std::string& bytes) {
  try {
    const File file = File::open(folder.write("model.gguf", bytes));
    for (const Tensor& tensor : file.tensors()) {
      EXPECT_LE(tensor.offset + tensor.bytes, bytes.size());
      std::vector<std::byte> data(tensor.bytes);
      file.read(tensor, 0, data);
    }
    return true;
  } catch (const Error& error) {
    EXPECT_TRUE(error.kind() == ErrorKind::kFormat || error.kind() == ErrorKind::kUnsupported ||
                error.kind() == ErrorKind::kFile)
        << error.what();
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    return false;
  }
}

TEST(Damage, TruncationAtEveryLength) {
  const TemporaryFolder folder;
  const std::string whole = small_gguf();
  ASSERT_TRUE(survives(folder, whole));
  for (size_t length = 0; length < whole.size(); ++length) {
    ASSERT_FALSE(survives(folder, whole.substr(0, length))) << length << " bytes of " << whole.size();
    EXPECT_THROW(validate_header(as_bytes(whole).first(length), length), Error);
  }
}

class ByteDamage : public ::testing::TestWithParam<int> {};

TEST_P(ByteDamage, AtEveryPosition) {
  const TemporaryFolder folder;
  const std::string whole = small_gguf();
  size_t survivors = 0;
  for (size_t position = 0; position < whole.size(); ++position) {
    std::string damaged = whole;
    // Parameters up to 255 are a byte to write, from 256 on bits to flip.
    const int byte =
        GetParam() < 256 ? GetParam() : static_cast<unsigned char>(whole[position]) ^ (GetParam() - 256);
    damaged[position] = static_cast<char>(byte);
    survivors += survives(folder, damaged) ? 1 : 0;
  }
  EXPECT_GT(survivors, 0u);
}

INSTANTIATE_TEST_SUITE_P(Bytes, ByteDamage, ::testing::Values(0x00, 0xff, 256 + 0x01, 256 + 0x80));

// 8 bytes of ones at every position: every count, length and offset overflows in turn.
TEST(Damage, HugeNumbersAtEveryPosition) {
  const std::string whole = small_gguf();
  size_t errors = 0;
  for (const uint64_t number :
       {kHuge, kHuge >> 1, kHuge - 7, uint64_t{1} << 61, uint64_t{1} << 32, uint64_t{0}}) {
    for (size_t position = 0; position + sizeof(number) <= whole.size(); ++position) {
      std::string damaged = whole;
      std::memcpy(damaged.data() + position, &number, sizeof(number));
      for (const uint64_t file_bytes : {uint64_t{whole.size()}, kHuge}) {
        try {
          validate_header(as_bytes(damaged), file_bytes);
        } catch (const Error& error) {
          ASSERT_NE(error.kind(), ErrorKind::kInternal) << error.what();
          ++errors;
        }
      }
    }
  }
  EXPECT_GT(errors, whole.size());
}

struct Case {
  std::string name;
  ErrorKind kind;
  std::vector<std::string> said;
  std::string bytes;
};

void PrintTo(const Case& damage, std::ostream* out) {
  *out << damage.name;
}

std::vector<Case> cases() {
  std::vector<Case> all;
  const auto add = [&](const char* name, std::vector<std::string> said, const RawGguf& raw,
                       ErrorKind kind = ErrorKind::kFormat) {
    all.push_back({name, kind, std::move(said), raw.bytes()});
  };
  add("TensorCount", {"tensors", "promised"}, RawGguf(kHuge, 0));
  add("KeyCount", {"keys", "promised"}, RawGguf(0, kHuge));
  add("KeyCountBeyondTheFile", {"keys", "promised"}, RawGguf(0, 2).entry("k", ValueType::kUint8, uint8_t{1}));
  add("TooManyKeys", {"65536"}, RawGguf(0, 70000).zeros(70000 * 14));
  add("KeyLength", {"truncated"}, RawGguf(0, 1).number(kHuge).zeros(20));
  add("KeyTooLong", {"65535"}, RawGguf(0, 1).entry(std::string(65536, 'k'), ValueType::kUint8, uint8_t{1}));
  add("EmptyKey", {"no name"}, RawGguf(0, 1).entry("", ValueType::kUint8, uint8_t{1}).zeros(1));
  add("RepeatedKey", {"'key'", "twice"},
      RawGguf(0, 2).entry("key", ValueType::kUint8, uint8_t{1}).entry("key", ValueType::kUint8, uint8_t{1}));
  add("ValueType", {"'key'", "13"}, RawGguf(0, 1).string("key").number(uint32_t{13}).zeros(8));
  add("ElementType", {"'key'", "99"}, RawGguf(0, 1).array("key", static_cast<ValueType>(99), 0));
  add("Bool", {"'key'", "2"}, RawGguf(0, 1).entry("key", ValueType::kBool, uint8_t{2}));
  add("BoolInArray", {"'key'", "7"}, RawGguf(0, 1).array("key", ValueType::kBool, 1).number(uint8_t{7}));
  add("NestedArray", {"'key'", "array of arrays"}, RawGguf(0, 1).array("key", ValueType::kArray, 0),
      ErrorKind::kUnsupported);
  add("ArrayLength", {"'key'", "promised"}, RawGguf(0, 1).array("key", ValueType::kUint64, kHuge));
  add("ArrayLengthWrapsAround", {"'key'", "promised"},
      RawGguf(0, 1).array("key", ValueType::kUint64, (kHuge >> 3) + 2).zeros(16));
  add("ArrayTooLarge", {"'key'", "8388608"},
      RawGguf(0, 1).array("key", ValueType::kUint8, 9000000).zeros(9000000));
  add("ArraysTooLargeTogether", {"'b'", "array elements"},
      RawGguf(0, 2)
          .array("a", ValueType::kUint8, 8000000)
          .zeros(8000000)
          .array("b", ValueType::kUint8, 8000000)
          .zeros(8000000));
  add("StringTooLong", {"'key'", "16777216"}, RawGguf(0, 1).entry("key", std::string(17 << 20, 'x')));
  add("NameWithControls", {"'a\\x0ab\\xff'"}, RawGguf(0, 1).entry("a\nb\xff", ValueType::kBool, uint8_t{3}));
  for (const uint32_t alignment : {0u, 3u, 48u, 1u << 31}) {
    add(alignment == 0    ? "AlignmentZero"
        : alignment == 3  ? "Alignment3"
        : alignment == 48 ? "Alignment48"
                          : "AlignmentHuge",
        {"general.alignment", std::to_string(alignment)},
        RawGguf(0, 1).entry("general.alignment", ValueType::kUint32, alignment));
  }
  add("AlignmentText", {"general.alignment"}, RawGguf(0, 1).entry("general.alignment", "32"));

  const auto tensors = [&](const char* name, std::vector<std::string> said, RawGguf raw, size_t data) {
    add(name, std::move(said), raw.align().zeros(data));
  };
  tensors("NoDimensions", {"'t'", "0 dimensions"}, RawGguf(1, 0).tensor("t", {}, 0, 0), 32);
  tensors("FiveDimensions", {"'t'", "5 dimensions"}, RawGguf(1, 0).tensor("t", {1, 1, 1, 1, 1}, 0, 0), 32);
  tensors("ZeroDimension", {"'t'", "is 0"}, RawGguf(1, 0).tensor("t", {1, 0}, 0, 0), 32);
  tensors("ShapeOverflows", {"'t'", "overflows"},
          RawGguf(1, 0).tensor("t", {1u << 31, 1u << 31, 1u << 31}, 0, 0), 32);
  tensors("BytesOverflow", {"'t'", "overflows"}, RawGguf(1, 0).tensor("t", {kHuge >> 2}, 0, 0), 32);
  tensors("UnknownTypeOverflows", {"'t'", "overflows"}, RawGguf(1, 0).tensor("t", {kHuge, kHuge}, 99, 0), 32);
  tensors("PartOfABlock", {"'t'", "33", "Q4_0"}, RawGguf(1, 0).tensor("t", {33}, 2, 0), 64);
  tensors("OffsetUnaligned", {"'t'", "alignment"}, RawGguf(1, 0).tensor("t", {1}, 0, 4), 64);
  tensors("OffsetBeyondTheEnd", {"'t'", "truncated"}, RawGguf(1, 0).tensor("t", {1}, 0, 1 << 20), 64);
  tensors("OffsetOverflows", {"'t'", "overflows"}, RawGguf(1, 0).tensor("t", {1}, 0, kHuge - 31), 64);
  tensors("DataTruncated", {"'t'", "truncated"}, RawGguf(1, 0).tensor("t", {16}, 0, 0), 63);
  tensors("NoData", {"'t'", "truncated"}, RawGguf(1, 0).tensor("t", {16}, 0, 0), 0);
  tensors("UnknownTypeWithoutData", {"'t'", "truncated"}, RawGguf(1, 0).tensor("t", {16}, 99, 0), 0);
  tensors("Overlap", {"'t'", "'u'", "overlap"},
          RawGguf(2, 0).tensor("t", {16}, 0, 0).tensor("u", {16}, 0, 32), 128);
  tensors("OverlapOfUnknownTypes", {"overlap"},
          RawGguf(2, 0).tensor("t", {16}, 99, 0).tensor("u", {16}, 99, 0), 128);
  tensors("RepeatedTensor", {"'t'", "two"}, RawGguf(2, 0).tensor("t", {1}, 0, 0).tensor("t", {1}, 0, 32), 64);
  tensors("EmptyTensorName", {"no name"}, RawGguf(1, 0).tensor("", {1}, 0, 0).zeros(8), 64);
  tensors("LongTensorName", {"1024"}, RawGguf(1, 0).tensor(std::string(1025, 't'), {1}, 0, 0), 64);
  return all;
}

class NamedDamage : public ::testing::TestWithParam<Case> {};

TEST_P(NamedDamage, IsNamed) {
  const TemporaryFolder folder;
  const auto path = folder.write("model.gguf", GetParam().bytes);
  try {
    File::open(path);
    FAIL() << "no error";
  } catch (const Error& error) {
    const std::string line = error.what();
    EXPECT_EQ(error.kind(), GetParam().kind) << line;
    EXPECT_NE(line.find(path.string()), std::string::npos) << line;
    EXPECT_EQ(line.find('\n'), std::string::npos) << line;
    for (const std::string& words : GetParam().said) EXPECT_NE(line.find(words), std::string::npos) << line;
  }
  EXPECT_THROW(validate_header(as_bytes(GetParam().bytes), GetParam().bytes.size()), Error);
}

INSTANTIATE_TEST_SUITE_P(Cases, NamedDamage, ::testing::ValuesIn(cases()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace caldera::gguf

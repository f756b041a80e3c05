// The choices worth trying, and the file that keeps those that were found best.
#include "kernels/product_memory.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include "gguf/temporary_folder.hpp"
#include "kernels/int8_tile.hpp"
#include "kernels/product_candidates.hpp"
#include "quant/format.hpp"

namespace caldera::kernels {
namespace {

using quant::Format;

const WorkgroupLimits kLimits{32, 1024};
/// As NVIDIA's of today.
const WorkgroupLimits kMatrixLimits{
    32, 1024, 49152, {{16, 16, 16}, {16, 8, 16}}, FragmentLayout{{16, 8, 16}, 4, 2}};

std::vector<ProductKey> keys() {
  std::vector<ProductKey> keys;
  for (const uint32_t vectors : {1U, 2U, 4U, 8U}) {
    keys.push_back({Format::kQ4_K, 4096, 2048, vectors, 0, false});
    keys.push_back({Format::kQ4_K, 4096, 2048, vectors, 0, true});
    keys.push_back({Format::kIQ1_S, 4096, 2048, vectors, 32, false});
    keys.push_back({Format::kIQ1_S, 4096, 2048, vectors, 64, true});
  }
  return keys;
}

TEST(ProductCandidatesTest, AreAFewAndPossible) {
  for (const WorkgroupLimits& limits :
       {kLimits, WorkgroupLimits{8, 256}, WorkgroupLimits{64, 64}, kMatrixLimits}) {
    for (const ProductKey& key : keys()) {
      const std::vector<ProductChoice> all = candidates(key, limits);
      const std::set<ProductChoice> different(all.begin(), all.end());
      EXPECT_EQ(different.size(), all.size());
      EXPECT_GE(all.size(), 2U);
      EXPECT_LE(all.size(), 400U);
      for (const ProductChoice& choice : all) {
        EXPECT_TRUE(possible(choice, key, limits));
        if (choice.tile || choice.units) continue;
        EXPECT_LE(choice.subgroups * limits.subgroup, limits.max_threads);
        EXPECT_LE(choice.rows * key.vectors, 32U);
        if (key.pairs) {
          EXPECT_EQ(choice.rows % 2, 0U);
        }
        if (key.group_rows > 0) {
          EXPECT_EQ(choice.rows * choice.passes * choice.subgroups, key.group_rows);
        }
      }
    }
  }
}

TEST(ProductCandidatesTest, NeighboursDifferInOneValueAndReachAll) {
  for (const ProductKey& key : keys()) {
    const std::vector<ProductChoice> all = candidates(key, kLimits);
    std::set<ProductChoice> reached{all.front()};
    std::vector<ProductChoice> next{all.front()};
    while (!next.empty()) {
      const ProductChoice from = next.back();
      next.pop_back();
      for (const ProductChoice& to : neighbours(from, key, kLimits)) {
        if (from.tile || to.tile) {
          // From streamed rows a search comes to tiles by the usual one.
          EXPECT_EQ(from.tile ? differences(*from.tile, *to.tile) : *to.tile != usual_int8_tile(key, kLimits),
                    from.tile ? 1 : 0);
          if (reached.insert(to).second) next.push_back(to);
          continue;
        }
        const int changed = (to.subgroups != from.subgroups) + (to.rows != from.rows) +
                            (to.unroll != from.unroll) + (key.group_rows == 0 && to.passes != from.passes) +
                            (to.ahead != from.ahead);
        EXPECT_EQ(changed, 1);
        if (reached.insert(to).second) next.push_back(to);
      }
    }
    EXPECT_EQ(reached.size(), all.size());
  }
}

TEST(ProductCandidatesTest, RefusesWhatNoKernelCanBe) {
  const ProductKey key{Format::kQ8_0, 64, 64, 8, 0, false};
  EXPECT_TRUE(possible({4, 4, 2, 1}, key, kLimits));
  EXPECT_FALSE(possible({4, 8, 1, 1}, key, kLimits));  // 64 sums
  EXPECT_FALSE(possible({64, 1, 1, 1}, key, kLimits));
  for (const ProductChoice& choice :
       {ProductChoice{0, 1, 1, 1}, ProductChoice{1, 0, 1, 1}, ProductChoice{1, 1, 0, 1},
        ProductChoice{1, 1, 1, 0}, ProductChoice{3, 1, 1, 1}, ProductChoice{1, 1, 1, UINT32_MAX},
        ProductChoice{1U << 31, 2, 1, 1}}) {
    EXPECT_FALSE(possible(choice, key, kLimits));
  }
}

TEST(ProductCandidatesTest, AllOnMatrixUnitsAreReachedFromTheUsualChoice) {
  for (const ProductKey& key : keys()) {
    const std::vector<ProductChoice> all = candidates(key, kMatrixLimits);
    const ProductChoice usual = usual_choice(key, kMatrixLimits);
    EXPECT_TRUE(possible(usual, key, kMatrixLimits));
    EXPECT_EQ(usual.units.has_value(), key.vectors >= 4);
    std::set<ProductChoice> reached{usual};
    std::vector<ProductChoice> next{usual};
    while (!next.empty()) {
      const ProductChoice from = next.back();
      next.pop_back();
      for (const ProductChoice& to : neighbours(from, key, kMatrixLimits)) {
        if (reached.insert(to).second) next.push_back(to);
      }
    }
    for (const ProductChoice& choice : all) {
      if (choice.units && choice.units->fragments == 1) {
        EXPECT_TRUE(reached.contains(choice));
      }
    }
    EXPECT_EQ(reached.contains({.tile = usual_int8_tile(key, kMatrixLimits)}), key.vectors >= 8);
  }
}

class ProductMemoryTest : public ::testing::Test {
 protected:
  std::string text() const {
    std::ifstream stream(file_, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  void set(const std::string& text) const { std::ofstream(file_, std::ios::binary) << text; }
  /// Reads the file with `from` replaced by `to`.
  RememberedChoices changed(const std::string& from, const std::string& to) const {
    std::string all = text();
    const size_t at = all.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    set(all.replace(at, from.size(), to));
    return read_product_memory(file_, owner_);
  }
  void write() const { write_product_memory(file_, owner_, choices_); }

  gguf::TemporaryFolder folder_;
  std::filesystem::path file_ = folder_.path() / "cache" / "device.products.json";
  ProductMemoryOwner owner_{{"A device", "A driver 1.2", "0123"}, kMatrixLimits};
  RememberedChoices choices_{
      {{Format::kQ4_K, 4096, 2048, 1, 0, true}, {{8, 2, 2, 1}, 12.5}},
      {{Format::kIQ1_S, 28672, 4096, 8, 64, true}, {{8, 4, 1, 2}, 99.25}},
      {{Format::kIQ1_S, 28672, 4096, 64, 0, false}, {{.tile = Int8Tile{64, 32, 4, 4, 4, 1, 1}}, 400}},
      {{Format::kQ6_K, 4096, 4096, 8, 32, false}, {{.units = MatvecUnits{2, 1, 8, 1, 1, 1}}, 20}},
  };
};

TEST_F(ProductMemoryTest, ReadsWhatItWrote) {
  EXPECT_TRUE(read_product_memory(file_, owner_).empty());
  write();
  const RememberedChoices read = read_product_memory(file_, owner_);
  ASSERT_EQ(read.size(), choices_.size());
  for (const auto& [key, remembered] : choices_) {
    ASSERT_TRUE(read.contains(key));
    EXPECT_EQ(read.at(key).choice, remembered.choice);
    EXPECT_EQ(read.at(key).microseconds, remembered.microseconds);
  }
  choices_.clear();
  write();
  EXPECT_TRUE(read_product_memory(file_, owner_).empty());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(file_.parent_path()), {}), 1);
}

TEST_F(ProductMemoryTest, HoldsForOneDeviceDriverAndCode) {
  write();
  for (std::string ProductMemoryOwner::*field :
       {&ProductMemoryOwner::device, &ProductMemoryOwner::driver, &ProductMemoryOwner::kernels}) {
    ProductMemoryOwner other = owner_;
    other.*field += "x";
    EXPECT_TRUE(read_product_memory(file_, other).empty());
  }
  ProductMemoryOwner smaller = owner_;
  smaller.limits.max_threads = 128;
  EXPECT_TRUE(read_product_memory(file_, smaller).empty());
  EXPECT_EQ(read_product_memory(file_, owner_).size(), choices_.size());
}

TEST_F(ProductMemoryTest, IgnoresDamagedFiles) {
  write();
  const std::string whole = text();
  for (size_t length = 0; length + 2 < whole.size(); length += 5) {  // without its last brace and line feed
    set(whole.substr(0, length));
    EXPECT_TRUE(read_product_memory(file_, owner_).empty()) << length;
  }
  const std::pair<const char*, const char*> changes[] = {{"\"Q4_K\"", "\"Q9_Z\""},
                                                         {"\"Q4_K\"", "12"},
                                                         {"4096", "-4096"},
                                                         {"4096", "4096000000000"},
                                                         {"4096", "40.96"},
                                                         {"\"subgroups\": 8", "\"subgroups\": 3"},
                                                         {"\"pairs\": true", "\"pairs\": 1"},
                                                         {"\"unroll\"", "\"enroll\""},
                                                         {"\"products\": [", "\"products\": [7, "},
                                                         {"\"passes\": 1", "\"passes\": 4294967295"},
                                                         {"\"lane_rows\": 4", "\"lane_rows\": 3"},
                                                         {"\"tile\": {", "\"tile\": 1, \"x\": {"},
                                                         {"\"slices\"", "\"splices\""}};
  for (const auto& [from, to] : changes) {
    set(whole);
    EXPECT_TRUE(changed(from, to).empty()) << from << " -> " << to;
  }
  for (const std::string& other : {std::string("[]"), std::string("null"), std::string(100, '\xff'),
                                   std::string(1 << 19, '['), std::string(2 << 20, ' ')}) {
    set(other);
    EXPECT_TRUE(read_product_memory(file_, owner_).empty());
  }
  write();  // and the next writing makes it whole
  EXPECT_EQ(read_product_memory(file_, owner_).size(), choices_.size());
}

TEST_F(ProductMemoryTest, NeedsNoFolderThatCanBeWritten) {
  const std::filesystem::path in_the_way = folder_.write("a file", "in the way") / "x.json";
  write_product_memory(in_the_way, owner_, choices_);
  EXPECT_TRUE(read_product_memory(in_the_way, owner_).empty());
  write_product_memory({}, owner_, choices_);
  EXPECT_TRUE(read_product_memory({}, owner_).empty());
}

}  // namespace
}  // namespace caldera::kernels

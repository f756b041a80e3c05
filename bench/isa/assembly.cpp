#include "assembly.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <span>
#include <utility>

namespace caldera::isa {
namespace {

/// Instructions between two labels, and where its branches go.
struct Block {
  uint32_t number = 0;
  InstructionMix mix;
  std::vector<uint32_t> targets;
};

bool begins_with_any(std::string_view word, std::span<const std::string_view> beginnings) {
  return std::ranges::any_of(beginnings, [&](std::string_view one) { return word.starts_with(one); });
}

bool contains_any(std::string_view word, std::span<const std::string_view> parts) {
  return std::ranges::any_of(parts,
                             [&](std::string_view one) { return word.find(one) != std::string_view::npos; });
}

/// The number in "BB3", "BB3:" or "block:BB3".
std::optional<uint32_t> block_number(std::string_view word) {
  if (word.starts_with("block:")) word.remove_prefix(6);
  if (!word.starts_with("BB")) return std::nullopt;
  word.remove_prefix(2);
  if (word.ends_with(':')) word.remove_suffix(1);
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return number;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  constexpr std::string_view kSpace = " \t\r";
  for (size_t at = line.find_first_not_of(kSpace); at != std::string_view::npos;
       at = line.find_first_not_of(kSpace, at)) {
    const size_t end = std::min(line.find_first_of(kSpace, at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

constexpr std::array<std::string_view, 4> kVmem = {"global_", "buffer_", "flat_", "scratch_"};

bool is_opcode(std::string_view word) {
  constexpr std::array<std::string_view, 3> kOthers = {"v_", "s_", "ds_"};
  return begins_with_any(word, kOthers) || begins_with_any(word, kVmem);
}

void count(std::string_view opcode, InstructionMix& mix) {
  constexpr std::array<std::string_view, 6> kHints = {"s_waitcnt", "s_delay_alu", "s_clause",
                                                      "s_nop",     "s_wait_",     "s_inst_prefetch"};
  constexpr std::array<std::string_view, 2> kScalarLoads = {"s_load", "s_buffer_load"};
  constexpr std::array<std::string_view, 3> kQuarterRate = {"v_mul_lo_u32", "v_mul_hi_u32", "v_mul_hi_i32"};
  constexpr std::array<std::string_view, 3> kWide = {"_b64", "_u64", "_i64"};
  if (opcode.starts_with("v_")) {
    ++mix.valu;
    if (opcode.starts_with("v_dual_")) ++mix.dual;
    if (opcode.starts_with("v_dot4_")) ++mix.dot4;
    mix.valu_cycles += begins_with_any(opcode, kQuarterRate) ? 4 : contains_any(opcode, kWide) ? 2 : 1;
  } else if (opcode.starts_with("ds_")) {
    ++mix.lds;
  } else if (begins_with_any(opcode, kVmem)) {
    ++mix.vmem;
  } else if (begins_with_any(opcode, kHints)) {
    ++mix.hints;
  } else if (begins_with_any(opcode, kScalarLoads)) {
    ++mix.smem;
  } else {
    ++mix.salu;
  }
}

void add(const InstructionMix& more, InstructionMix& sum) {
  sum.valu += more.valu;
  sum.dual += more.dual;
  sum.dot4 += more.dot4;
  sum.salu += more.salu;
  sum.smem += more.smem;
  sum.vmem += more.vmem;
  sum.lds += more.lds;
  sum.hints += more.hints;
  sum.valu_cycles += more.valu_cycles;
}

std::vector<Block> blocks_of(std::string_view assembly) {
  std::vector<Block> blocks(1);
  while (!assembly.empty()) {
    const size_t end = std::min(assembly.find('\n'), assembly.size());
    std::string_view line = assembly.substr(0, end);
    assembly.remove_prefix(std::min(end + 1, assembly.size()));
    line = line.substr(0, line.find(';'));  // behind it LLVM prints the encoding
    const std::vector<std::string_view> words = words_of(line);
    if (words.empty() || words[0].starts_with("/*")) continue;
    if (const auto number = block_number(words[0]); number && words.size() == 1) {
      if (blocks.size() == 1 && blocks[0].mix.total() == 0) blocks.clear();
      blocks.push_back({*number, {}, {}});
      continue;
    }
    // The first opcode of a line: of two issued together the second is part of the same word. What the
    // compiler defines stands before it.
    const auto opcode = std::ranges::find_if(words, is_opcode);
    if (opcode == words.end()) continue;
    count(*opcode, blocks.back().mix);
    if (!opcode->starts_with("s_branch") && !opcode->starts_with("s_cbranch")) continue;
    for (auto word = opcode + 1; word != words.end(); ++word) {
      if (const auto target = block_number(*word)) blocks.back().targets.push_back(*target);
    }
  }
  return blocks;
}

}  // namespace

InstructionMix count_instructions(std::string_view assembly) {
  InstructionMix sum;
  for (const Block& block : blocks_of(assembly)) add(block.mix, sum);
  return sum;
}

std::vector<Loop> innermost_loops(std::string_view assembly) {
  const std::vector<Block> blocks = blocks_of(assembly);
  // A loop is what lies from the target of a branch backwards to the last branch that goes there.
  std::map<uint32_t, uint32_t> loops;
  for (const Block& block : blocks) {
    for (const uint32_t target : block.targets) {
      if (target > block.number) continue;
      uint32_t& last = loops[target];
      last = std::max(last, block.number);
    }
  }
  std::vector<Loop> innermost;
  for (const auto& [first, last] : loops) {
    const bool holds_another = std::ranges::any_of(loops, [&, first = first, last = last](const auto& other) {
      return other.first > first && other.second <= last;
    });
    if (holds_another) continue;
    Loop loop{first, last, {}};
    for (const Block& block : blocks) {
      if (block.number >= first && block.number <= last) add(block.mix, loop.mix);
    }
    innermost.push_back(loop);
  }
  return innermost;
}

std::optional<Loop> hot_loop(std::string_view assembly) {
  const std::vector<Loop> loops = innermost_loops(assembly);
  const auto hottest = std::ranges::max_element(
      loops, {}, [](const Loop& loop) { return std::pair(loop.mix.dot4, loop.mix.valu_cycles); });
  return hottest == loops.end() ? std::nullopt : std::optional(*hottest);
}

}  // namespace caldera::isa

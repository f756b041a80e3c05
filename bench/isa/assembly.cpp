#include "assembly.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <deque>
#include <map>
#include <numeric>
#include <span>
#include <utility>

namespace caldera::isa {
namespace {

/// A load that brings bytes to a lane, or a wait until no more than `left` loads are under way.
struct Step {
  uint32_t bytes = 0;
  uint32_t left = 0;
};

/// Instructions between two labels, and where its branches go.
struct Block {
  uint32_t number = 0;
  InstructionMix mix;
  std::vector<uint32_t> targets;
  std::vector<Step> steps;
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

/// Bytes that a load brings to a lane, from the end of its name: "b128", "dwordx4", "u16".
uint32_t loaded_bytes(std::string_view opcode) {
  if (opcode.find("_load_") == std::string_view::npos) return 0;
  constexpr std::array<std::pair<std::string_view, uint32_t>, 12> kWidths = {{{"b128", 16},
                                                                              {"dwordx4", 16},
                                                                              {"b96", 12},
                                                                              {"dwordx3", 12},
                                                                              {"b64", 8},
                                                                              {"dwordx2", 8},
                                                                              {"b32", 4},
                                                                              {"dword", 4},
                                                                              {"16", 2},
                                                                              {"short", 2},
                                                                              {"8", 1},
                                                                              {"byte", 1}}};
  const auto* const width = std::ranges::find_if(
      kWidths, [&](const auto& one) { return opcode.find(one.first) != std::string_view::npos; });
  return width == kWidths.end() ? 0 : width->second;
}

/// Bytes that an access of shared memory moves for a lane, from its name: "ds_load_b128", "ds_write2_b32",
/// "ds_read_u16_d16".
uint32_t shared_bytes(std::string_view opcode) {
  constexpr std::array<std::string_view, 4> kAccesses = {"ds_load", "ds_store", "ds_read", "ds_write"};
  constexpr std::array<std::pair<std::string_view, uint32_t>, 6> kWidths = {
      {{"b128", 16}, {"b96", 12}, {"b64", 8}, {"b32", 4}, {"16", 2}, {"8", 1}}};
  if (!begins_with_any(opcode, kAccesses)) return 0;
  const auto* const width = std::ranges::find_if(
      kWidths, [&](const auto& one) { return opcode.find(one.first) != std::string_view::npos; });
  if (width == kWidths.end()) return 0;
  constexpr std::array<std::string_view, 4> kPairs = {"load_2", "store_2", "read2", "write2"};
  return contains_any(opcode, kPairs) ? 2 * width->second : width->second;
}

/// See InstructionMix::valu_cycles.
uint32_t cycles_of(std::string_view opcode) {
  constexpr std::array<std::string_view, 3> kQuarterRate = {"v_mul_lo_u32", "v_mul_hi_u32", "v_mul_hi_i32"};
  constexpr std::array<std::string_view, 3> kWide = {"_b64", "_u64", "_i64"};
  if (opcode.starts_with("v_wmma_")) return opcode.find("iu4") == std::string_view::npos ? 32 : 16;
  if (begins_with_any(opcode, kQuarterRate)) return 4;
  return contains_any(opcode, kWide) ? 2 : 1;
}

void count(std::string_view opcode, InstructionMix& mix) {
  constexpr std::array<std::string_view, 6> kHints = {"s_waitcnt", "s_delay_alu", "s_clause",
                                                      "s_nop",     "s_wait_",     "s_inst_prefetch"};
  constexpr std::array<std::string_view, 2> kScalarLoads = {"s_load", "s_buffer_load"};
  if (opcode.starts_with("v_")) {
    ++mix.valu;
    if (opcode.starts_with("v_dual_")) ++mix.dual;
    if (opcode.starts_with("v_dot4_")) ++mix.dot4;
    if (opcode.starts_with("v_wmma_")) ++mix.wmma;
    mix.valu_cycles += cycles_of(opcode);
  } else if (opcode.starts_with("ds_")) {
    ++mix.lds;
    mix.lds_bytes += shared_bytes(opcode);
  } else if (begins_with_any(opcode, kVmem)) {
    ++mix.vmem;
    mix.loaded += loaded_bytes(opcode);
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
  sum.loaded += more.loaded;
  sum.wmma += more.wmma;
  sum.lds += more.lds;
  sum.lds_bytes += more.lds_bytes;
  sum.hints += more.hints;
  sum.valu_cycles += more.valu_cycles;
}

/// How many loads a wait leaves under way: "s_waitcnt vmcnt(6)", "s_wait_loadcnt imm:6", "s_wait_loadcnt
/// 0x6".
std::optional<uint32_t> loads_left(std::string_view opcode, std::span<const std::string_view> operands) {
  if (!opcode.starts_with("s_waitcnt") && opcode != "s_wait_loadcnt") return std::nullopt;
  for (std::string_view word : operands) {
    int base = 10;
    if (word.starts_with("vmcnt(")) {
      word.remove_prefix(6);
    } else if (opcode != "s_wait_loadcnt") {
      continue;
    } else if (word.starts_with("imm:")) {
      word.remove_prefix(4);
    } else if (word.starts_with("0x")) {
      word.remove_prefix(2);
      base = 16;
    }
    uint32_t left = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), left, base);
    if (error == std::errc()) return left;
  }
  return std::nullopt;
}

/// Adds the loads of a block to those under way, oldest first, and notes the most bytes.
void follow_loads(const Block& block, std::deque<uint32_t>& loads, uint32_t& most) {
  for (const Step& step : block.steps) {
    if (step.bytes > 0) {
      loads.push_back(step.bytes);
      most = std::max(most, std::accumulate(loads.begin(), loads.end(), 0U));
    } else {
      while (loads.size() > step.left) loads.pop_front();
    }
  }
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
    if (const uint32_t bytes = loaded_bytes(*opcode); bytes > 0 && begins_with_any(*opcode, kVmem)) {
      blocks.back().steps.push_back({bytes, 0});
    } else if (const auto left = loads_left(*opcode, {opcode + 1, words.end()})) {
      blocks.back().steps.push_back({0, *left});
    }
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

std::vector<Loop> all_loops(std::string_view assembly) {
  const std::vector<Block> blocks = blocks_of(assembly);
  // A loop is what lies from the target of a branch backwards to the last branch that goes there.
  std::map<uint32_t, uint32_t> extents;
  for (const Block& block : blocks) {
    for (const uint32_t target : block.targets) {
      if (target > block.number) continue;
      uint32_t& last = extents[target];
      last = std::max(last, block.number);
    }
  }
  std::vector<Loop> loops;
  for (const auto& [first, last] : extents) {
    Loop loop{first, last};
    loop.innermost = std::ranges::none_of(extents, [&, first = first, last = last](const auto& other) {
      return other.first > first && other.second <= last;
    });
    std::deque<uint32_t> loads;
    for (const Block& block : blocks) {
      if (block.number < first || block.number > last) continue;
      add(block.mix, loop.mix);
      follow_loads(block, loads, loop.under_way);
    }
    loops.push_back(loop);
  }
  return loops;
}

std::vector<Loop> innermost_loops(std::string_view assembly) {
  std::vector<Loop> loops = all_loops(assembly);
  std::erase_if(loops, [](const Loop& loop) { return !loop.innermost; });
  return loops;
}

std::optional<Loop> loop_of_matrices(std::string_view assembly) {
  const std::vector<Loop> loops = all_loops(assembly);
  const auto found = std::ranges::max_element(
      loops, {}, [](const Loop& loop) { return std::pair(loop.mix.wmma, -int64_t{loop.mix.total()}); });
  return found == loops.end() || found->mix.wmma == 0 ? std::nullopt : std::optional(*found);
}

std::optional<Loop> hot_loop(std::string_view assembly) {
  const std::vector<Loop> loops = innermost_loops(assembly);
  const auto hottest = std::ranges::max_element(loops, {}, [](const Loop& loop) {
    return std::array{loop.mix.wmma, loop.mix.dot4, loop.mix.valu_cycles};
  });
  return hottest == loops.end() ? std::nullopt : std::optional(*hottest);
}

}  // namespace caldera::isa

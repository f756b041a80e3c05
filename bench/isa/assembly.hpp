// Counts of instructions in RADV's assembly, and its loops.
//
// Two dialects are read: that of LLVM's disassembler ("BB3:", "v_add_f32_e32 v1, v2, v3") and, for GPUs that
// the driver's LLVM does not know, that of Mesa's own compiler ("BB3", "v1: %5:v[1] = v_add_f32 %3:v[2],
// ...").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace caldera::isa {

/// How many instructions of each kind.
struct InstructionMix {
  uint32_t valu = 0;       ///< vector arithmetic; two in one word (dual issue) count once
  uint32_t dual = 0;       ///< of those, words with two
  uint32_t dot4 = 0;       ///< of those, integer dot products of four bytes
  uint32_t wmma = 0;       ///< of those, matrix instructions: 16 x 16 x 16 multiplications and additions each
  uint32_t salu = 0;       ///< scalar arithmetic and branches
  uint32_t smem = 0;       ///< scalar loads
  uint32_t vmem = 0;       ///< loads and stores of memory
  uint32_t loaded = 0;     ///< bytes that those loads bring to a lane
  uint32_t lds = 0;        ///< loads and stores of shared memory
  uint32_t lds_bytes = 0;  ///< that those bring to a lane or take from it
  uint32_t hints = 0;      ///< waits, and hints for the scheduler
  /// Cycles in which the vector unit of a SIMD takes nothing else: 1 for most, 2 for 64 bits, 4 for integer
  /// products of 32 bits (the rates that Mesa's src/amd/compiler/aco_statistics.cpp has for wave32), and 32
  /// for matrix instructions of RDNA 3 (16 for those of 4 bits), beside which the unit runs nothing else
  /// (AMD's matrix instruction calculator: 1024 operations a cycle of a workgroup processor's four SIMDs).
  uint32_t valu_cycles = 0;

  uint32_t total() const { return valu + salu + smem + vmem + lds + hints; }
};

/// A loop, and what lies in it.
struct Loop {
  uint32_t first_block = 0;
  uint32_t last_block = 0;
  InstructionMix mix;  ///< of one turn in which every branch of its body is taken
  /// Most bytes that a lane waits for at once, of loads of the same turn. How many of them a SIMD has under
  /// way decides whether it keeps memory busy.
  uint32_t under_way = 0;
  bool innermost = true;  ///< no other in it
};

/// Of a whole program.
InstructionMix count_instructions(std::string_view assembly);

/// All innermost loops, in the order of the program.
std::vector<Loop> innermost_loops(std::string_view assembly);

/// The smallest loop, whatever is in it, that holds the most matrix instructions; loops in it count as one
/// turn.
std::optional<Loop> loop_of_matrices(std::string_view assembly);

/// The innermost loop with the most dot products, or where there are none, with the most vector arithmetic.
std::optional<Loop> hot_loop(std::string_view assembly);

}  // namespace caldera::isa

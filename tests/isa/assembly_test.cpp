#include "assembly.hpp"

#include <gtest/gtest.h>

namespace caldera::isa {
namespace {

// A loop of two blocks in a loop of four, as LLVM's disassembler prints it, and as Mesa's compiler does.
constexpr std::string_view kLlvm = R"(BB0:
	v_mov_b32_e32 v0, 0                         ; 7e000280
	s_load_b64 s[0:1], s[2:3], 0x0              ; f4040001
BB1:
	v_lshlrev_b64 v[2:3], 4, v[0:1]             ; d73c0002
BB2:
	global_load_b128 v[4:7], v[2:3], off        ; dc5e0000
	s_waitcnt vmcnt(0)                          ; bf8903f7
	v_dot4_i32_iu8 v8, v4, v5, v8 neg_lo:[1,1,0] ; cc164008
	s_cbranch_execz BB4                         ; bfa50001
BB3:
	v_dual_add_f32 v1, v2, v3 :: v_dual_mov_b32 v4, v5 ; ca110000
	ds_load_b32 v9, v8                          ; d8d80000
	s_cbranch_scc0 BB2                          ; bfa1fff0
BB4:
	v_mul_lo_u32 v1, v2, v3                     ; d72c0001
	s_branch BB1                                ; bfa00000
BB5:
	s_endpgm                                    ; bfb00000
)";
constexpr std::string_view kMesa =
    R"(Shader disassembly is not supported in the current configuration, falling back to print_program.

After lowering to hw instructions:
ACO shader stage: SW (CS), HW (COMPUTE_SHADER)
BB0
/* logical preds: / linear preds: / kind: uniform, top-level, */
	 v1: %0:v[0] = v_mov_b32 0
	 s2: %4:s[0-1] = s_load_dwordx2 %3:s[2-3], 0
BB1
/* logical preds: BB0, BB4, / linear preds: BB0, BB4, / kind: loop-header, */
	 v2: %2:v[2-3] = v_lshlrev_b64_e64 4, %1:v[0-1]
BB2
/* logical preds: BB1, BB3, / linear preds: BB1, BB3, / kind: loop-header, */
	 v4: %6:v[4-7] = global_load_dwordx4 %5:v[2-3],  s1: undef storage:buffer semantics:private,reorder
	s_waitcnt vmcnt(0)
	 v1: %8:v[8] = v_dot4_i32_iu8 %6:v[4], %6:v[5], %8:v[8]
	s_cbranch_execz block:BB4
BB3
/* logical preds: BB2, / linear preds: BB2, / kind: uniform, */
	 v1: %85:v[1] = v_dual_add_f32 %7:v[2], %9:v[3] :: v1: %2:v[4] = v_dual_mov_b32 %4:v[5]
	 v1: %9:v[9] = ds_read_b32 %8:v[8] storage:shared
	s_cbranch_scc0 block:BB2
BB4
/* logical preds: BB2, BB3, / linear preds: BB2, BB3, / kind: uniform, */
	 v1: %1:v[1] = v_mul_lo_u32 %2:v[2], %3:v[3]
	s_branch block:BB1
BB5
/* logical preds: BB4, / linear preds: BB4, / kind: uniform, top-level, */
	s_endpgm
)";

/// By the name of who prints it: GoogleTest makes parameters part of a test's name.
class AssemblyTest : public testing::TestWithParam<const char*> {
 protected:
  std::string_view assembly() const { return GetParam() == std::string_view("Llvm") ? kLlvm : kMesa; }
};

TEST_P(AssemblyTest, CountsInstructionsByKind) {
  const InstructionMix mix = count_instructions(assembly());
  EXPECT_EQ(mix.valu, 5);
  EXPECT_EQ(mix.dual, 1);
  EXPECT_EQ(mix.dot4, 1);
  EXPECT_EQ(mix.valu_cycles, 1 + 2 + 1 + 1 + 4);
  EXPECT_EQ(mix.vmem, 1);
  EXPECT_EQ(mix.loaded, 16);
  EXPECT_EQ(mix.lds, 1);
  EXPECT_EQ(mix.smem, 1);
  EXPECT_EQ(mix.salu, 4);
  EXPECT_EQ(mix.hints, 1);
}

TEST_P(AssemblyTest, FindsTheInnermostLoop) {
  const std::vector<Loop> loops = innermost_loops(assembly());
  ASSERT_EQ(loops.size(), 1);
  EXPECT_EQ(loops[0].first_block, 2);
  EXPECT_EQ(loops[0].last_block, 3);
  EXPECT_EQ(loops[0].mix.valu, 2);
  EXPECT_EQ(loops[0].mix.dot4, 1);
  EXPECT_EQ(hot_loop(assembly())->first_block, 2);
}

INSTANTIATE_TEST_SUITE_P(Dialects, AssemblyTest, testing::Values("Llvm", "Mesa"));

TEST(HotLoopTest, IsTheOneWithDotProducts) {
  const auto loop = hot_loop(
      "BB0:\n v_add_f32 v0, v0, v0\n v_add_f32 v0, v0, v0\n s_branch BB0\n"
      "BB1:\n v_dot4_i32_iu8 v0, v0, v0, v0\n s_branch BB1\n");
  ASSERT_TRUE(loop.has_value());
  EXPECT_EQ(loop->first_block, 1);
}

TEST(HotLoopTest, KnowsWhatIsUnderWay) {
  // Three loads, of which the wait leaves one, and two more.
  for (const char* wait : {"s_waitcnt vmcnt(1) lgkmcnt(0)", "s_wait_loadcnt 0x1", "s_wait_loadcnt imm:1"}) {
    const auto loop =
        hot_loop(std::string("BB0:\n global_load_b128 v0\n global_load_b64 v0\n") + "global_load_b32 v0\n" +
                 wait + "\n global_load_b128 v0\n global_load_u16 v0\n s_branch BB0\n");
    ASSERT_TRUE(loop.has_value());
    EXPECT_EQ(loop->under_way, 16 + 8 + 4) << wait;
    EXPECT_EQ(loop->mix.loaded, 16 + 8 + 4 + 16 + 2);
  }
}

TEST(LoopOfMatrices, IsTheSmallestThatHoldsThemAll) {
  const auto outer = loop_of_matrices(
      "BB0:\n v_add_f32 v0, v0, v0\nBB1:\n v_wmma_f32_16x16x16_f16 v0\nBB2:\n v_add_f32 v0, v0, v0\n"
      " s_cbranch_scc0 BB2\nBB3:\n v_wmma_f32_16x16x16_f16 v0\n s_cbranch_scc0 BB1\nBB4:\n s_branch BB0\n");
  ASSERT_TRUE(outer.has_value());
  EXPECT_EQ(outer->first_block, 1);
  EXPECT_EQ(outer->mix.wmma, 2);
  EXPECT_FALSE(outer->innermost);
  EXPECT_FALSE(loop_of_matrices("BB0:\n v_add_f32 v0, v0, v0\n s_branch BB0\n").has_value());
}

TEST(LoopOfMatrices, CountsWhatTheyTake) {
  const auto loop = loop_of_matrices(
      "BB0:\n v_dot4_i32_iu8 v0, v0, v0, v0\n s_branch BB0\n"
      "BB1:\n ds_load_b128 v[0:3], v8\n ds_load_2addr_b64 v[0:3], v8\n ds_store_b16 v8, v0\n"
      " v_wmma_f32_16x16x16_f16 v[0:7], v[8:15], v[16:23], v[0:7]\n"
      " v_wmma_i32_16x16x16_iu4 v[0:7], v[8:9], v[16:17], v[0:7]\n v_add_f32 v0, v0, v0\n s_branch BB1\n");
  ASSERT_TRUE(loop.has_value());
  EXPECT_EQ(loop->first_block, 1);
  EXPECT_EQ(loop->mix.wmma, 2);
  EXPECT_EQ(loop->mix.valu_cycles, 32 + 16 + 1);
  EXPECT_EQ(loop->mix.lds, 3);
  EXPECT_EQ(loop->mix.lds_bytes, 16 + 16 + 2);
  // Mesa's own names for them.
  EXPECT_EQ(count_instructions("ds_read2_b32 v0\n ds_write_b128 v0\n ds_read_u16_d16 v0\n").lds_bytes,
            8 + 16 + 2);
}

TEST(HotLoopTest, IsNothingWithoutLoops) {
  EXPECT_FALSE(hot_loop("").has_value());
  EXPECT_FALSE(hot_loop("BB0:\n s_branch BB1\nBB1:\n s_endpgm\n").has_value());
  EXPECT_FALSE(hot_loop("no assembly at all\nBB\nBB99999999999999:\n").has_value());
}

}  // namespace
}  // namespace caldera::isa

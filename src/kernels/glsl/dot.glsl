// Integer dot products (VK_KHR_shader_integer_dot_product, in Vulkan since 1.3). The instructions are named by their
// numbers, because older compilers do not know the extension of GLSL: 4450 is OpSDot, 4452 OpSUDot, their last operand
// the packed format 4x8 bits (https://registry.khronos.org/SPIR-V/specs/unified1/SPIRV.html).
#extension GL_EXT_spirv_intrinsics : require

spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"], capabilities = [6018, 6019], id = 4450)
int packed_signed_dot(uint a, uint b, spirv_literal int packed_format);

spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"], capabilities = [6018, 6019], id = 4452)
int packed_mixed_dot(uint a, uint b, spirv_literal int packed_format);

/// Sum of the products of four signed bytes each.
int dot_bytes(uint a, uint b) { return packed_signed_dot(a, b, 0); }
/// The same with unsigned bytes in `b`.
int dot_signed_unsigned(uint a, uint b) { return packed_mixed_dot(a, b, 0); }

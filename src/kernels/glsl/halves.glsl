// Numbers as f16, two a word. What is beyond f16 would be infinite, and a sum with it no number.
uint pack_halves(vec2 values) { return packHalf2x16(clamp(values, -65504, 65504)); }
uvec2 pack_halves(vec4 values) { return uvec2(pack_halves(values.xy), pack_halves(values.zw)); }

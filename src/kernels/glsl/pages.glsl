// KV memory: pages of kPageTokens tokens. A page holds, layer by layer, K (kv_heads, kPageTokens, head) and then
// V (kv_heads, kPageTokens, head), both f16. A sequence's table lists the addresses of its pages.
layout(buffer_reference, std430, buffer_reference_align = 8) readonly buffer PageTable { uint64_t page[]; };
/// The address of each slot's page table.
layout(buffer_reference, std430, buffer_reference_align = 8) readonly buffer PageTables { uint64_t slot[]; };

/// Address of the K rows of one head in one page; V's are `v_offset` bytes further.
uint64_t key_rows(uint64_t page, uint layer_offset, uint kv_head, uint head_bytes) {
  return page + layer_offset + kv_head * kPageTokens * head_bytes;
}

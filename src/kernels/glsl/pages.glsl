// KV memory: pages of kPageTokens tokens. A page holds, layer by layer, the keys of each KV head and then the values of
// each, kPageTokens rows; how rows lie is told in kv_rows.glsl. A sequence's table lists the addresses of its pages.
layout(buffer_reference, std430, buffer_reference_align = 8) readonly buffer PageTable { uint64_t page[]; };
/// The address of each slot's page table.
layout(buffer_reference, std430, buffer_reference_align = 8) readonly buffer PageTables { uint64_t slot[]; };


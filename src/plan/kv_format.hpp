// The formats of KV memory: what they are called, and what they ask of a model.
#pragma once

#include <string>
#include <string_view>

#include "caldera/kv_format.hpp"
#include "plan/model_shape.hpp"

namespace caldera::plan {

using caldera::KvFormat;
using caldera::KvFormats;

/// Numbers that share a scale in all but f16.
inline constexpr uint32_t kKvBlock = 32;

/// All of them, from the largest to the smallest.
inline constexpr KvFormat kKvFormats[] = {KvFormat::kF16, KvFormat::kQ8_0, KvFormat::kQ4_0};

/// "q8_0".
std::string_view kv_name(KvFormat format);
/// "q8_0"; "q8_0/q4_0" of keys in one and values in another.
std::string kv_name(KvFormats formats);

/// The size of a head that cannot be kept in these formats; 0: all can.
uint32_t head_against(const ModelShape& shape, KvFormats formats);

}  // namespace caldera::plan

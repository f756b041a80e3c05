#include "engine/step_rehearsal.hpp"

#include <cstring>

#include "kernels/product_timer.hpp"
#include "kernels/state.hpp"

namespace caldera::engine {

StepRehearsal::StepRehearsal(vulkan::Device& device, kernels::Kernels& kernels, const model::Program& program,
                             KvPages& pages, vulkan::Allocation& page_tables, uint32_t slot,
                             uint32_t sequences)
    : kernels_(kernels), program_(program), sequences_(sequences), page_(pages.take()) {
  const auto shared = [&](uint64_t bytes, const char* what) {
    return device.memory().allocate(bytes, vulkan::Residency::kHostWrite, vulkan::Purpose::kStaging, what);
  };
  table_ = shared(sizeof(uint64_t), "a page table");
  const uint64_t page = page_->address();
  std::memcpy(table_.host(), &page, sizeof(page));
  const uint64_t table = table_.address();
  std::memcpy(page_tables.host() + slot * sizeof(table), &table, sizeof(table));

  batch_ = shared(kernels::batch_bytes(sequences), "a batch");
  std::memset(batch_.host(), 0, batch_.bytes());
  auto& head = *reinterpret_cast<kernels::BatchHead*>(batch_.host());
  head.tokens = head.outputs = head.running = sequences;
  for (uint32_t i = 0; i < sequences; ++i) {
    head.output_index[i] = i;
    head.entries()[i] = {0, i, slot, 0};  // tokens of one page
  }
}

std::set<kernels::ProductKey> StepRehearsal::record(vulkan::Recording& recording, uint64_t bytes) {
  const kernels::Kernels::Target target{&recording, batch_.address(), sequences_, true, 1};
  const model::Pass& pass = program_.step(sequences_);
  std::set<kernels::ProductKey> keys;
  uint64_t done = 0;
  for (const std::vector<model::Operation>* part : {&pass.body, &pass.head_of(sequences_)}) {
    for (const model::Operation& operation : *part) {
      if (done >= bytes) return keys;
      std::visit([&](const auto& op) { kernels_.record(target, op); }, operation);
      const auto* product = std::get_if<kernels::Product>(&operation);
      if (product == nullptr) continue;
      done += kernels::weight_bytes(*product->weights);
      if (product->input != kernels::Input::kF32) keys.insert(kernels::key_of(*product, sequences_));
    }
  }
  return keys;
}

}  // namespace caldera::engine

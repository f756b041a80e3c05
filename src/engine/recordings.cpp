#include "engine/recordings.hpp"

#include <algorithm>
#include <variant>

#include "engine/operation_work.hpp"

namespace caldera::engine {

const Recordings::Pass& Recordings::pass(BatchPass::Kind kind, uint32_t columns) {
  const std::pair key{kind, columns};
  if (const auto found = passes_.find(key); found != passes_.end()) return found->second;
  std::vector<const model::Operation*> operations;
  const auto add = [&](const std::vector<model::Operation>& some) {
    for (const model::Operation& operation : some) operations.push_back(&operation);
  };
  const model::Pass& step = program_.step(columns);
  PassKind speed = PassKind::kStep;
  size_t head = 0;
  switch (kind) {
    case BatchPass::Kind::kRead:
      if (!read_as_step({kind, 0, columns, 1})) speed = PassKind::kRead;
      add(speed == PassKind::kRead ? program_.reading(columns).body : step.body);
      head = operations.size();
      break;
    case BatchPass::Kind::kStep:
      add(step.body);
      head = operations.size();
      add(step.head_of(columns));
      add(program_.sampling());
      break;
    case BatchPass::Kind::kHidden:
      speed = PassKind::kHidden;
      add(program_.hiding());
      head = operations.size();
      break;
    case BatchPass::Kind::kOutputs:
    case BatchPass::Kind::kSample:
      speed = PassKind::kHead;
      add(step.head_of(columns));
      if (kind == BatchPass::Kind::kSample) add(program_.sampling());
      break;
  }
  PassWork work(speed, work_of(operations), head);
  return passes_.emplace(key, Pass{std::move(operations), std::move(work)}).first->second;
}

bool Recordings::read_as_step(const BatchPass& batch) const {
  return batch.kind == BatchPass::Kind::kRead && batch.columns == 1 && program_.int8();
}

kernels::Kernels::Target Recordings::target(const BatchPass& batch) const {
  const bool each = batch.kind == BatchPass::Kind::kStep || read_as_step(batch);
  return {nullptr, batch.batch, batch.columns, each, batch.splits};
}

std::span<const model::Operation* const> Recordings::operations(const BatchPass& batch,
                                                                const OperationRun& run) {
  return std::span(pass(batch.kind, batch.columns).operations).subspan(run.begin, run.end - run.begin);
}

Recordings::Part& Recordings::part(const BatchPass& batch, const OperationRun& run, bool timed) {
  kernels::Kernels::Target to = target(batch);
  std::vector<std::unique_ptr<Part>>& parts = parts_[{batch, run, timed}];
  const auto free = std::ranges::find_if(parts, [](const auto& part) { return !part->under_way; });
  if (free != parts.end()) return **free;
  auto part = std::make_unique<Part>(device_, timed);
  to.recording = &part->recording;
  for (const model::Operation* operation : operations(batch, run)) {
    std::visit([&](const auto& op) { kernels_.record(to, op); }, *operation);
  }
  part->recording.finish();
  return *parts.emplace_back(std::move(part));
}

Profiler& Recordings::start_profile() {
  profiler_ = std::make_unique<Profiler>(device_, kernels_);
  return *profiler_;
}

const vulkan::Recording& Recordings::profiled(const BatchPass& batch, const OperationRun& run) {
  return profiler_->timed(part(batch, run, true).recording, target(batch), operations(batch, run));
}

}  // namespace caldera::engine

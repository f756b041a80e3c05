// A service that refuses every request: what the program does around it needs no answers.
#include "caldera/service.hpp"

namespace caldera {
namespace {

class FakeService : public Service {
 public:
  Admission submit(CompletionRequest, std::shared_ptr<CompletionListener>) override { return {}; }
  void cancel(uint64_t) override {}
  ServiceStatus status() const override { return {.slots = 4}; }
  void drain(std::chrono::milliseconds) override {}
};

}  // namespace

std::unique_ptr<Service> make_service(std::shared_ptr<Model>, const ServiceOptions&) {
  return std::make_unique<FakeService>();
}

}  // namespace caldera

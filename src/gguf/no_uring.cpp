// In place of uring_reads.cpp where liburing was not there when Caldera was built.
#include "gguf/read_backend.hpp"

namespace caldera::gguf {

std::unique_ptr<ReadBackend> make_uring_reads(uint32_t, std::string& refusal) {
  refusal = "this Caldera was built without liburing";
  return nullptr;
}

}  // namespace caldera::gguf

// What the system says that a process holds.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace caldera::test {

/// Resident memory in bytes, the page cache apart.
struct ProcessMemory {
  uint64_t anonymous = 0;         ///< RssAnon: heaps and stacks
  uint64_t shared_anonymous = 0;  ///< RssShmem: memory of no file that may be shared
  uint64_t file = 0;              ///< RssFile: pages of mapped files
  uint64_t private_pages = 0;  ///< Private_Clean and Private_Dirty: what would be free without this process

  uint64_t own() const { return anonymous + shared_anonymous; }
};

/// `pid` 0: this process, after malloc has given back what it keeps for later. All 0 when it has ended.
/// `private_pages` costs a walk over all pages and is only there if asked for.
ProcessMemory process_memory(pid_t pid = 0, bool with_private = false);

/// Of this process.
size_t open_descriptors();
/// Of this process, without the kernel's own for io_uring, which linger for seconds.
size_t running_threads();

/// Bytes of RAM that programs could have now.
uint64_t free_ram();

}  // namespace caldera::test

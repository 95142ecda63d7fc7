// What this machine offers: instruction sets (asking the operating system where it must be asked), cores, huge pages.
// Knows no context and no op; chooses nothing, the context does. What cannot be found out counts as absent. May
// include only the C++ standard library and abi.h.
#pragma once
#include "../abi.h"
#include <cstddef>
#include <string>
#include <vector>

namespace nanogpt {

// Codes of the instruction sets whose kernels run here, in rising order; the last is the best. A build with
// NANOGPT_SIMULATE_ISA has them all.
std::vector<uint32_t> available_sets();

// "avx2" for NANOGPT_ISA_AVX2 and so on; "unknown" for a number that is no code.
const char* set_name(uint32_t isa);

// The processor's name as the system tells it.
std::string machine_name();

// Cores that this process may run on, in rising order (affinity of its main thread); never empty.
std::vector<int> allowed_cores();

// How many threads to run by default: the allowed cores, cut to the cgroup's processor quota.
int default_threads();

// Binds the calling thread to one core, or to all of `cores`. Failing to is no error: pinning is only a hint.
void bind_thread(const std::vector<int>& cores);

// Zeroed pages aligned to a huge page where `bytes` reach one, with huge pages asked for; null when refused.
void* map_pages(size_t bytes);
void unmap_pages(void* pages, size_t bytes);

}  // namespace nanogpt

// What an H100 refuses to launch, as its driver does before anything runs: sizes of grid, block, cluster, shared memory,
// parameters and register file (CUDA programming guide, compute capability 9.0). May include only block.h, machine.h and the
// standard library.
#include "block.h"
#include "machine.h"
#include <cstdio>

namespace nanogpt::emulation {
namespace {

constexpr uint32_t kMostThreads = 1024;
constexpr uint32_t kMostGridX = 0x7fffffff, kMostGridYZ = 65535;
constexpr uint32_t kMostShared = 232448;
constexpr uint32_t kMostCluster = 8;
constexpr size_t kMostParameters = 4096;

}  // namespace

int check_launch(const cuda::LaunchConfig& c, const FakeFunction& function, const Index3& cluster) {
  const KernelEntry& kernel = *function.kernel;
  const std::string name = std::string("kernel ") + kernel.name + ": ";
  const uint64_t threads = uint64_t{c.block_x} * c.block_y * c.block_z;
  const auto say = [&](int code, const std::string& what) { return refuse(code, name + what); };
  if (threads == 0 || c.grid_x == 0 || c.grid_y == 0 || c.grid_z == 0) return say(kInvalidValue, "an empty grid or block");
  if (threads > kMostThreads || c.block_z > 64)
    return say(kInvalidValue, std::to_string(threads) + " threads a block, at most 1024 (64 along z) can be");
  if (threads > kernel.max_threads)
    return say(kOutOfResources, std::to_string(threads) + " threads a block, its launch bounds allow " +
                                    std::to_string(kernel.max_threads));
  if (registers_at_entry(kernel.max_threads) * threads > kRegisterFile)
    return say(kOutOfResources, std::to_string(registers_at_entry(kernel.max_threads)) + " registers for each of " +
                                    std::to_string(threads) + " threads, the processor has 65536");
  if (c.grid_x > kMostGridX || c.grid_y > kMostGridYZ || c.grid_z > kMostGridYZ)
    return say(kInvalidValue, "a grid of " + std::to_string(c.grid_x) + " x " + std::to_string(c.grid_y) + " x " +
                                  std::to_string(c.grid_z) + " blocks, at most 2147483647 x 65535 x 65535 can be");
  if (c.shared_bytes > static_cast<uint32_t>(function.most_dynamic_shared))
    return say(kInvalidValue, std::to_string(c.shared_bytes) + " bytes of dynamic shared memory, " +
                                  std::to_string(function.most_dynamic_shared) +
                                  " were asked for (more than 49152 need the attribute, at most " +
                                  std::to_string(kMostShared) + " can be)");
  const uint32_t blocks = cluster.x * cluster.y * cluster.z;
  if (blocks < 1 || blocks > kMostCluster)
    return say(kInvalidClusterSize, "a cluster of " + std::to_string(blocks) + " blocks, 1 to 8 can be");
  if (c.grid_x % cluster.x != 0 || c.grid_y % cluster.y != 0 || c.grid_z % cluster.z != 0)
    return say(kInvalidValue, "its grid is not a whole number of clusters");
  if (kernel.parameter_bytes > kMostParameters)
    return say(kInvalidValue, std::to_string(kernel.parameter_bytes) + " bytes of parameters, at most 4096 can be");
  return 0;
}

}  // namespace nanogpt::emulation

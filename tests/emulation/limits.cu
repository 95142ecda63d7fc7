// Launches beyond what the chip takes, each refused with its words; and the largest that it does take.
#include "cases.h"

namespace {

using namespace nanogpt::cuda;

struct Nothing {
  uint32_t unused = 0;
};
struct TooLarge {
  char bytes[4100];
};

KERNEL(at_most_256, Nothing, 256) {}
KERNEL(at_most_1024, Nothing, 1024) {}
KERNEL(large_parameters, TooLarge, 32) {}

// A launch by hand, to leave out what Gpu::launch does right.
void launch(nanogpt::emulation_tests::Gpu& gpu, const char* kernel, LaunchConfig config, uint32_t cluster = 1,
            size_t bytes = sizeof(Nothing), int shared_attribute = 0) {
  static char parameters[sizeof(TooLarge)] = {};
  Module module = nullptr;
  Function function = nullptr;
  if (!gpu.ok(gpu.driver.module_load_data(&module, nullptr)) ||
      !gpu.ok(gpu.driver.module_get_function(&function, module, kernel)))
    return;
  if (shared_attribute > 0 && !gpu.ok(gpu.driver.function_set_attribute(function, kFunctionMaxDynamicShared, shared_attribute)))
    return;
  LaunchAttribute attribute{};
  attribute.id = kLaunchClusterDimension;
  attribute.cluster = {cluster, 1, 1};
  config.stream = gpu.stream;
  config.attributes = &attribute;
  config.attribute_count = 1;
  void* extra[] = {reinterpret_cast<void*>(1), parameters, reinterpret_cast<void*>(2), &bytes, nullptr};
  if (gpu.ok(gpu.driver.launch(&config, function, nullptr, extra))) gpu.sync();
}

LaunchConfig grid(uint32_t x, uint32_t y, uint32_t z, uint32_t threads, uint32_t shared = 0) {
  return {x, y, z, threads, 1, 1, shared, nullptr, nullptr, 0};
}

PASSES(launch_at_the_limits) {
  launch(gpu, "at_most_1024", grid(1, 1, 1, 1024, 232448), 1, sizeof(Nothing), 232448);
  launch(gpu, "at_most_256", grid(8, 1, 2, 256, 49152), 8);
}
FINDS(shared_memory_without_the_attribute, "49152 were asked for") { launch(gpu, "at_most_256", grid(1, 1, 1, 32, 49153)); }
FINDS(shared_memory_above_the_chip, "at most 232448 can be") {
  launch(gpu, "at_most_256", grid(1, 1, 1, 32, 232449), 1, sizeof(Nothing), 232449);
}
FINDS(threads_above_the_bounds, "its launch bounds allow 256") { launch(gpu, "at_most_256", grid(1, 1, 1, 288)); }
FINDS(threads_above_the_chip, "at most 1024") { launch(gpu, "at_most_1024", grid(1, 1, 1, 1056)); }
FINDS(grid_too_high, "at most 2147483647 x 65535 x 65535") { launch(gpu, "at_most_256", grid(1, 65536, 1, 32)); }
FINDS(grid_empty, "an empty grid or block") { launch(gpu, "at_most_256", grid(0, 1, 1, 32)); }
FINDS(cluster_too_large, "a cluster of 16 blocks, 1 to 8 can be") { launch(gpu, "at_most_256", grid(16, 1, 1, 32), 16); }
FINDS(cluster_does_not_divide, "its grid is not a whole number of clusters") {
  launch(gpu, "at_most_256", grid(3, 1, 1, 32), 2);
}
FINDS(parameters_of_another_struct, "8 bytes of parameters given, it takes 4") {
  launch(gpu, "at_most_256", grid(1, 1, 1, 32), 1, 8);
}
FINDS(parameters_too_large, "4100 bytes of parameters, at most 4096 can be") {
  launch(gpu, "large_parameters", grid(1, 1, 1, 32), 1, sizeof(TooLarge));
}
FINDS(kernel_that_is_none, "no kernel nonesuch") { launch(gpu, "nonesuch", grid(1, 1, 1, 32)); }

}  // namespace

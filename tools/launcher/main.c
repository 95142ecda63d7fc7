// The launcher: the small program that ./nanogpt begins with. The runtime and the program are appended to it. It unpacks
// them once per user and version into a cache folder named by their content, and then becomes the runtime.
// Knows one argument of its own, --verify-install, when it stands alone; all else belongs to the program.
// Includes only its neighbours and the standard library.
#include "cache.h"
#include "start.h"
#include <string.h>

int main(int argc, char** argv) {
  const Archive archive = open_archive();
  if (argc == 2 && strcmp(argv[1], "--verify-install") == 0) {
    verify_install(&archive);
    return 0;
  }
  const size_t count = argc > 1 ? (size_t)argc - 1 : 0;  // argv may be empty altogether
  start(&archive, find_or_install(&archive), argv + 1, count);
}

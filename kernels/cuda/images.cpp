// The compiled kernels inside the cuda library: one image a source file and target, laid into read-only data as nvcc wrote
// it. The list is written by the makefile. Linked into the cuda library only; the emulated one finds kernels by name. May
// include only driver.h and the generated list.
#include "driver.h"

// IMAGE(symbol, "name", "target", "path"): PTX is text, so a NUL stands behind each image.
#define IMAGE(symbol, name, target, path)                                                                      \
  asm(".section .rodata\n.balign 64\n.hidden image_" #symbol "\n.globl image_" #symbol "\nimage_" #symbol ":\n" \
      ".incbin \"" path "\"\n.hidden image_" #symbol "_end\n.globl image_" #symbol "_end\nimage_" #symbol      \
      "_end:\n.byte 0\n.previous\n");                                                                          \
  extern "C" const char image_##symbol[], image_##symbol##_end[];
#include "images.inc"
#undef IMAGE

namespace nanogpt::cuda {

#define IMAGE(symbol, name, target, path) \
  {name, target, image_##symbol, static_cast<size_t>(image_##symbol##_end - image_##symbol)},
const KernelImage kernel_images[] = {
#include "images.inc"
};
#undef IMAGE
const size_t kernel_image_count = sizeof kernel_images / sizeof kernel_images[0];

}  // namespace nanogpt::cuda

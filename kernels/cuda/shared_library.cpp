// Opening libraries by the system's loader, and finding functions in them; see shared_library.h. Calls none of them. Linked
// into the cuda library only: the emulated one has its own in place of every library of NVIDIA's. May include only
// shared_library.h and the system.
#include "shared_library.h"
#include <dlfcn.h>

namespace nanogpt::cuda {

SharedLibrary::SharedLibrary(std::initializer_list<const char*> names) {
  for (const char* const name : names) {
    handle_ = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    name_ = name;
    if (handle_ != nullptr) return;
    const char* const said = dlerror();
    if (why_.empty()) why_ = said == nullptr ? name : said;
  }
}

void* SharedLibrary::address_of(const char* name) {
  void* const found = handle_ == nullptr ? nullptr : dlsym(handle_, name);
  if (found == nullptr && missing_.empty()) missing_ = name;
  return found;
}

}  // namespace nanogpt::cuda

// Loading of kernel images. A driver older than the toolkit may refuse its machine code: then the PTX of the same kernels
// is given to it, which needs no more than PTX 8.0. Knows no kernel. May include only modules.h, ../abi.h and the standard
// library.
#include "modules.h"
#include "../abi.h"
#include <algorithm>
#include <cstring>

namespace nanogpt::cuda {

std::string words_of(const Driver& driver, Result result) {
  const char* text = nullptr;
  driver.get_error_string(result, &text);
  return text == nullptr ? "error " + std::to_string(result) : std::string(text);
}

Modules::~Modules() {
  for (const Module module : modules_) driver_.module_unload(module);
}

// Images of one name stand in the order of preference: machine code, PTX for this chip, PTX for sm_80.
bool Modules::load_file(const std::string& name) {
  why_.clear();
  for (size_t i = 0; i < kernel_image_count; i++) {
    const KernelImage& image = kernel_images[i];
    if (name != image.name) continue;
    const bool any_chip = std::strcmp(image.target, "compute_80") == 0 || std::strcmp(image.target, "emulated") == 0;
    if (isa_ == NANOGPT_ISA_SM80 && !any_chip) continue;
    Module module = nullptr;
    const Result result = driver_.module_load_data(&module, image.data);
    if (result == 0) {
      modules_.push_back(module);
      return true;
    }
    why_ += (why_.empty() ? "" : "; ") + std::string("the driver refuses ") + image.name + " for " + image.target + ": " +
            words_of(driver_, result);
  }
  return why_.empty();  // a file whose kernels are for another chip only is left out
}

bool Modules::load() {
  if (loaded_) return true;
  std::vector<std::string> names;
  for (size_t i = 0; i < kernel_image_count; i++) {
    const std::string name = kernel_images[i].name;
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  loaded_ = std::all_of(names.begin(), names.end(), [&](const std::string& name) { return load_file(name); });
  return loaded_;
}

Function Modules::find(const char* kernel) {
  const auto known = functions_.find(kernel);
  if (known != functions_.end()) return known->second;
  if (!load()) return nullptr;
  for (const Module module : modules_) {
    Function function = nullptr;
    if (driver_.module_get_function(&function, module, kernel) != 0) continue;
    functions_[kernel] = function;
    return function;
  }
  why_ = std::string("no image has the kernel ") + kernel + (isa_ == NANOGPT_ISA_SM80 ? " for sm_80" : "");
  return nullptr;
}

}  // namespace nanogpt::cuda

// The compiled kernels of this library, loaded into a context and found by name. Loads an image when a kernel is first
// asked for: machine code where the chip has it, else the PTX that the driver compiles. Launches nothing. May include only
// driver.h and the standard library.
#pragma once
#include "driver.h"
#include <map>
#include <string>
#include <vector>

namespace nanogpt::cuda {

// What the driver says of a result.
std::string words_of(const Driver& driver, Result result);

class Modules {
 public:
  // isa: NANOGPT_ISA_SM80 takes only what every chip from sm_80 on runs.
  Modules(const Driver& driver, uint32_t isa) : driver_(driver), isa_(isa) {}
  ~Modules();
  Modules(const Modules&) = delete;
  Modules& operator=(const Modules&) = delete;

  // Loads every image that this chip runs; false with why().
  bool load();
  // The function of a kernel; null when no image has it, with the reason in why().
  Function find(const char* kernel);
  const std::string& why() const { return why_; }

 private:
  bool load_file(const std::string& name);

  const Driver& driver_;
  const uint32_t isa_;
  bool loaded_ = false;
  std::vector<Module> modules_;
  std::map<std::string, Function> functions_;
  std::string why_;
};

}  // namespace nanogpt::cuda

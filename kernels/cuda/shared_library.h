// A library of NVIDIA's that is opened at run time, and the search for its functions: what driver, NCCL and cuBLASLt share.
// Never closes one: such a library holds threads and memory of the process. Says what is missing, not what to install. Linked
// into the cuda library only. May include only the standard library.
#pragma once
#include <initializer_list>
#include <string>

namespace nanogpt::cuda {

class SharedLibrary {
 public:
  // Opens the first of the names that the system finds.
  explicit SharedLibrary(std::initializer_list<const char*> names);

  bool is_open() const { return handle_ != nullptr; }
  // The name it was opened by.
  const std::string& name() const { return name_; }
  // What the system said of the first name, when none was found.
  const std::string& why() const { return why_; }

  // Sets `function`; the first name that the library lacks is kept.
  template <class F>
  SharedLibrary& find(F*& function, const char* name) {
    function = reinterpret_cast<F*>(address_of(name));
    return *this;
  }
  // Empty: everything was found.
  const std::string& missing() const { return missing_; }

 private:
  void* address_of(const char* name);

  void* handle_ = nullptr;
  std::string name_, why_, missing_;
};

}  // namespace nanogpt::cuda

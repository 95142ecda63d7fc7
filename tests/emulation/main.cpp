// Runs the cases of the emulation's tests: `emulation_tests [WORD...]` those whose name holds a word, else all. Prints
// "NAME ok" or "NAME FAIL why" a line and fails when a case does. `-v` also prints what was reported.
#include "../../kernels/emulation/driver.h"
#include "cases.h"
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>

namespace nanogpt::emulation_tests {
namespace {

constexpr uint32_t kSeeds = 20;
constexpr uint32_t kProcessors = 3;

struct Entry {
  const char* file;
  const char* name;
  const char* finds;
  void (*run)(Gpu&);
};

std::vector<Entry>& entries() {
  static std::vector<Entry> all;
  return all;
}

std::string report_of(const Entry& entry, uint32_t seed) {
  emulation::restart_driver(2);
  emulation::set_schedule({seed, kProcessors, 1});
  Gpu gpu(seed);
  if (gpu.report.empty()) entry.run(gpu);
  return gpu.report;
}

// Whether a report holds one of the texts, which "|" divides.
bool holds(const std::string& report, const std::string& texts) {
  for (size_t from = 0, to = 0; to != std::string::npos; from = to + 1) {
    to = texts.find('|', from);
    if (report.find(texts.substr(from, to == std::string::npos ? to : to - from)) != std::string::npos) return true;
  }
  return false;
}

// Why the case failed; empty when it did not.
std::string judge(const Entry& entry, bool verbose) {
  uint32_t reported = 0;
  for (uint32_t seed = 0; seed < kSeeds; seed++) {
    const std::string report = report_of(entry, seed);
    if (report.empty()) continue;
    if (verbose && reported == 0) std::printf("%s\n", report.c_str());
    reported++;
    if (entry.finds == nullptr) return "reported under seed " + std::to_string(seed) + ": " + report;
    if (!holds(report, entry.finds)) {
      return "seed " + std::to_string(seed) + " reported other than \"" + entry.finds + "\": " + report;
    }
  }
  if (entry.finds != nullptr && reported == 0) return "no seed reported \"" + std::string(entry.finds) + "\"";
  return "";
}

}  // namespace

Case::Case(const char* file, const char* name, const char* finds, void (*run)(Gpu&)) {
  entries().push_back({file, name, finds, run});
}

Gpu::Gpu(uint32_t seed_of_case) : driver(*cuda::open_driver().driver), seed(seed_of_case) {
  cuda::DriverContext context = nullptr;
  ok(driver.init(0)) && ok(driver.primary_context_retain(&context, 0)) && ok(driver.context_set_current(context)) &&
      ok(driver.stream_create(&stream, 1));
}

Gpu::~Gpu() {
  driver.stream_destroy(stream);
  driver.primary_context_release(0);
}

bool Gpu::ok(cuda::Result result) {
  if (result == 0) return true;
  const char* text = nullptr;
  driver.get_error_string(result, &text);
  if (report.empty()) report = text == nullptr ? "error " + std::to_string(result) : std::string(text);
  return false;
}

void Gpu::wrong(const std::string& what) {
  if (report.empty()) report = "wrong: " + what;
}

void* Gpu::allocate(size_t bytes) {
  cuda::DevicePointer address = 0;
  ok(driver.memory_allocate(&address, bytes));
  return reinterpret_cast<void*>(address);
}

void Gpu::upload(void* target, const void* source, size_t bytes) {
  if (!report.empty()) return;
  ok(driver.copy_to_device(reinterpret_cast<uint64_t>(target), source, bytes, stream)) &&
      ok(driver.stream_synchronize(stream));
}

void Gpu::download(void* target, const void* source, size_t bytes) {
  if (!report.empty()) return;
  ok(driver.copy_to_host(target, reinterpret_cast<uint64_t>(source), bytes, stream)) &&
      ok(driver.stream_synchronize(stream));
}

void Gpu::launch_bytes(const char* kernel, const Shape& shape, const void* params, size_t bytes) {
  if (!report.empty()) return;
  cuda::Module module = nullptr;
  cuda::Function function = nullptr;
  if (!ok(driver.module_load_data(&module, nullptr)) || !ok(driver.module_get_function(&function, module, kernel))) return;
  if (shape.shared_bytes > 48 << 10 &&
      !ok(driver.function_set_attribute(function, cuda::kFunctionMaxDynamicShared, static_cast<int>(shape.shared_bytes))))
    return;
  cuda::LaunchAttribute attribute{};
  attribute.id = cuda::kLaunchClusterDimension;
  attribute.cluster = {shape.cluster, 1, 1};
  const cuda::LaunchConfig config{shape.blocks, 1, 1, shape.threads, 1, 1, shape.shared_bytes, stream, &attribute,
                                  shape.cluster > 1 ? 1u : 0u};
  void* arguments[] = {reinterpret_cast<void*>(1), const_cast<void*>(params), reinterpret_cast<void*>(2), &bytes, nullptr};
  ok(driver.launch(&config, function, nullptr, arguments));
}

void Gpu::sync() {
  if (report.empty()) ok(driver.stream_synchronize(stream));
}

}  // namespace nanogpt::emulation_tests

int main(int count, char** arguments) {
  using namespace nanogpt::emulation_tests;
  bool verbose = false;
  std::vector<const char*> words;
  for (int i = 1; i < count; i++) {
    if (std::strcmp(arguments[i], "-v") == 0) verbose = true;
    else words.push_back(arguments[i]);
  }
  int failed = 0;
  for (const Entry& entry : entries()) {
    const auto named = [&](const char* word) { return std::strstr(entry.name, word) != nullptr; };
    if (!words.empty() && std::none_of(words.begin(), words.end(), named)) continue;
    const std::string why = judge(entry, verbose);
    std::printf("%s %s\n", entry.name, why.empty() ? "ok" : ("FAIL " + why).c_str());
    std::fflush(stdout);
    if (!why.empty()) failed++;
  }
  return failed == 0 ? 0 : 1;
}

// The context: its ABI functions (create, destroy, error text, description, memory) and the class behind them.
// Compiled once, for any instruction set. It knows no op; ops reach it through context.h. Refuses an instruction set
// that the machine lacks. May include only context.h, group.h, machine.h, pool.h, scratch.h, ../tickets.h and the standard library.
#include "context.h"
#include "../tickets.h"
#include "group.h"
#include "machine.h"
#include "pool.h"
#include "scratch.h"
#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>

namespace nanogpt {
namespace {

constexpr uint32_t kMaxThreads = 1024;
constexpr size_t kErrorBytes = 1024;

// Pages of the system, given back at the end.
class Pages {
 public:
  explicit Pages(size_t bytes) : data_(map_pages(bytes)), bytes_(bytes) {
    if (data_ == nullptr) throw std::bad_alloc();
  }
  ~Pages() { unmap_pages(data_, bytes_); }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  std::byte* data() const { return static_cast<std::byte*>(data_); }

 private:
  void* data_;
  size_t bytes_;
};

class PoolContext final : public Context {
 public:
  PoolContext(int threads, uint32_t isa, bool pin)
      : isa_(isa),
        pinned_cores_(pin ? allowed_cores() : std::vector<int>{}),
        pool_(threads, pinned_cores_),
        thread_scratch_(kThreadScratchBytes * static_cast<size_t>(threads)),
        shared_scratch_(kSharedScratchBytes) {
    if (pin) bind_thread({pinned_cores_.front()});
  }
  // The thread that ends a context is the one that made it: it may run anywhere again.
  ~PoolContext() override {
    if (!pinned_cores_.empty()) bind_thread(pinned_cores_);
  }

  void parallel(int64_t tasks, const TaskBody& body) override { pool_.run(tasks, body); }
  int threads() const override { return pool_.threads(); }
  uint32_t isa() const override { return isa_; }
  std::byte* thread_scratch(int thread) override {
    std::byte* const scratch = thread_scratch_.data() + kThreadScratchBytes * static_cast<size_t>(thread);
    allow(scratch, kThreadScratchBytes);
    return scratch;
  }
  std::byte* shared_scratch() override { return shared_scratch_.data(); }
  Membership& membership() override { return membership_; }

  int32_t fail(int32_t status, const char* format, ...) override __attribute__((format(printf, 3, 4))) {
    // Tasks of one kernel may fail at the same time.
    const std::lock_guard<std::mutex> lock(error_mutex_);
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(error_, sizeof error_, format, arguments);
    va_end(arguments);
    return status;
  }
  const char* error() const { return error_; }

  // Copies at once: all work before has ended.
  int32_t post(uint64_t* out, const char* source, size_t bytes) {
    std::vector<char>* const slot = posts_.take(out);
    if (slot == nullptr)
      return fail(NANOGPT_INVALID, "There are %zu posts that nobody has collected; collect some first", kMostPosts);
    slot->assign(source, source + bytes);
    return NANOGPT_OK;
  }
  int32_t collect(char* target, uint64_t ticket) {
    const std::vector<char>* const slot = posts_.find(ticket);
    if (slot == nullptr)
      return fail(NANOGPT_INVALID, "There is no post to collect by the ticket %llu, or no longer",
                  static_cast<unsigned long long>(ticket));
    std::copy(slot->begin(), slot->end(), target);
    posts_.give_back(ticket);
    return NANOGPT_OK;
  }

 private:
  const uint32_t isa_;
  const std::vector<int> pinned_cores_;  // empty when not pinned
  Pool pool_;
  // Mapped, not touched: each thread's scratch becomes memory where that thread first writes it.
  Pages thread_scratch_;
  Pages shared_scratch_;
  Tickets<std::vector<char>> posts_;
  Membership membership_;
  std::mutex error_mutex_;
  char error_[kErrorBytes] = "";
};

PoolContext& pool_context_at(uint64_t address) { return static_cast<PoolContext&>(context_at(address)); }

void copy_text(uint64_t out, uint32_t capacity, const std::string& text) {
  std::snprintf(reinterpret_cast<char*>(out), capacity, "%s", text.c_str());
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) result += c;
  }
  return result + "\"";
}

std::string joined(const std::vector<uint32_t>& sets, const char* separator, bool quote) {
  std::string result;
  for (const uint32_t isa : sets) {
    if (!result.empty()) result += separator;
    result += quote ? quoted(set_name(isa)) : set_name(isa);
  }
  return result;
}

// The set asked for, or the best. Throws std::invalid_argument when this machine lacks it.
uint32_t choose_set(uint32_t isa) {
  const std::vector<uint32_t> sets = available_sets();
  if (isa == NANOGPT_ISA_AUTO) return sets.back();
  if (std::find(sets.begin(), sets.end(), isa) == sets.end())
    throw std::invalid_argument(std::string("This machine cannot run the instruction set ") + set_name(isa) + " (code " +
                                std::to_string(isa) + "); it has " + joined(sets, ", ", false));
  return isa;
}

// Sets above AVX-512 add only bf16 products: float32 runs the AVX-512 kernel.
uint32_t float32_set(uint32_t isa) { return isa > NANOGPT_ISA_AVX512 ? NANOGPT_ISA_AVX512 : isa; }

}  // namespace
}  // namespace nanogpt

using namespace nanogpt;

NANOGPT_EXPORT uint32_t nanogpt_abi_version(void) { return NANOGPT_ABI_VERSION; }

NANOGPT_EXPORT int32_t nanogpt_device_count(uint64_t out_count, uint64_t out_error) {
  if (out_count == 0 || out_error == 0) return NANOGPT_INVALID;
  *reinterpret_cast<uint64_t*>(out_count) = 1;
  return NANOGPT_OK;
}

NANOGPT_EXPORT int32_t nanogpt_context_create(uint64_t out_context, uint64_t out_error, uint32_t threads, uint32_t isa,
                                              uint32_t pin, uint32_t ordinal) {
  if (out_context == 0 || out_error == 0) return NANOGPT_INVALID;
  const auto refuse = [&](int32_t status, const std::string& text) {
    copy_text(out_error, NANOGPT_CREATE_ERROR_BYTES, text);
    return status;
  };
  try {
    if (ordinal != 0)
      return refuse(NANOGPT_INVALID, "A cpu has ordinal 0 only, found " + std::to_string(ordinal));
    if (threads > kMaxThreads)
      return refuse(NANOGPT_INVALID, "A context takes at most " + std::to_string(kMaxThreads) + " threads, found " +
                                         std::to_string(threads));
    const int count = threads == 0 ? default_threads() : static_cast<int>(threads);
    Context* context = new PoolContext(count, choose_set(isa), pin != 0);
    const uint64_t address = reinterpret_cast<uint64_t>(context);
    std::memcpy(reinterpret_cast<void*>(out_context), &address, sizeof address);
    return NANOGPT_OK;
  } catch (const std::invalid_argument& error) {
    return refuse(NANOGPT_UNSUPPORTED, error.what());
  } catch (const std::exception& error) {
    return refuse(NANOGPT_NO_MEMORY, std::string("Making a context failed: ") + error.what());
  }
}

NANOGPT_EXPORT int32_t nanogpt_context_destroy(uint64_t context) {
  if (context == 0) return NANOGPT_INVALID;
  delete &context_at(context);
  return NANOGPT_OK;
}

NANOGPT_EXPORT int32_t nanogpt_last_error(uint64_t context, uint64_t out_text, uint32_t capacity) {
  if (context == 0 || out_text == 0 || capacity == 0) return NANOGPT_INVALID;
  copy_text(out_text, capacity, pool_context_at(context).error());
  return NANOGPT_OK;
}

NANOGPT_EXPORT int32_t nanogpt_describe(uint64_t context, uint64_t out_text, uint32_t capacity) {
  if (context == 0 || out_text == 0 || capacity == 0) return NANOGPT_INVALID;
  const Context& c = context_at(context);
  std::string text = "{\"isa\":" + quoted(set_name(c.isa())) + ",\"threads\":" + std::to_string(c.threads()) +
                     ",\"available\":[" + joined(available_sets(), ",", true) + "],\"machine\":" + quoted(machine_name()) +
                     ",\"precisions\":{\"f32\":" + quoted(set_name(float32_set(c.isa()))) +
                     ",\"bf16\":" + quoted(set_name(c.isa())) + "}";
#if defined(NANOGPT_SIMULATE_ISA)
  text += ",\"simulated\":true";
#endif
  copy_text(out_text, capacity, text + "}");
  return NANOGPT_OK;
}

NANOGPT_EXPORT int32_t nanogpt_alloc(uint64_t context, uint64_t out_address, double bytes) {
  if (context == 0) return NANOGPT_INVALID;
  Context& c = context_at(context);
  if (out_address == 0 || !(bytes >= 1 && bytes <= 9007199254740992.0))
    return c.fail(NANOGPT_INVALID, "Alloc takes an address for its result and 1 to 2^53 bytes, found %.0f bytes", bytes);
  const size_t size = static_cast<size_t>(bytes);
  char* memory = static_cast<char*>(map_pages(size));
  if (memory == nullptr)
    return c.fail(NANOGPT_NO_MEMORY, "The system refused %.0f bytes; use fewer tokens a microbatch or a smaller model", bytes);
  // Touched here so that no page fault falls into a step, in as many pieces as there are threads to place them.
  constexpr size_t kPiece = size_t{8} << 20, kSmallPage = 4096;
  c.parallel(static_cast<int64_t>((size + kPiece - 1) / kPiece), [&](int64_t piece, int) {
    const size_t begin = static_cast<size_t>(piece) * kPiece;
    const size_t end = std::min(size, begin + kPiece);
    for (size_t at = begin; at < end; at += kSmallPage) *const_cast<volatile char*>(memory + at) = 0;
  });
  const uint64_t address = reinterpret_cast<uint64_t>(memory);
  std::memcpy(reinterpret_cast<void*>(out_address), &address, sizeof address);
  return NANOGPT_OK;
}

NANOGPT_EXPORT int32_t nanogpt_free(uint64_t context, uint64_t address, double bytes) {
  if (context == 0) return NANOGPT_INVALID;
  if (address == 0 || !(bytes >= 1 && bytes <= 9007199254740992.0))
    return context_at(context).fail(NANOGPT_INVALID, "Free takes an address and the bytes it was made with, found %.0f bytes",
                                    bytes);
  unmap_pages(reinterpret_cast<void*>(address), static_cast<size_t>(bytes));
  return NANOGPT_OK;
}

namespace {
// Both copies: memory of a cpu's context is the caller's too.
int32_t copy(uint64_t context, uint64_t target, uint64_t source, double bytes) {
  if (context == 0) return NANOGPT_INVALID;
  if (target == 0 || source == 0 || !(bytes >= 0 && bytes <= 9007199254740992.0))
    return context_at(context).fail(NANOGPT_INVALID, "A copy takes two addresses and up to 2^53 bytes, found %.0f bytes", bytes);
  std::memcpy(reinterpret_cast<void*>(target), reinterpret_cast<const void*>(source), static_cast<size_t>(bytes));
  return NANOGPT_OK;
}

int32_t unsupported(uint64_t context, const char* what) {
  if (context == 0) return NANOGPT_INVALID;
  return context_at(context).fail(NANOGPT_UNSUPPORTED, "A cpu has no %s", what);
}
}  // namespace

NANOGPT_EXPORT int32_t nanogpt_upload(uint64_t context, uint64_t address, uint64_t source, double bytes) {
  return copy(context, address, source, bytes);
}
NANOGPT_EXPORT int32_t nanogpt_download(uint64_t context, uint64_t target, uint64_t address, double bytes) {
  return copy(context, target, address, bytes);
}
// Every call has ended when it returns.
NANOGPT_EXPORT int32_t nanogpt_sync(uint64_t context) { return context == 0 ? NANOGPT_INVALID : NANOGPT_OK; }

NANOGPT_EXPORT int32_t nanogpt_post(uint64_t context, uint64_t out_ticket, uint64_t address, double bytes) {
  if (context == 0) return NANOGPT_INVALID;
  if (out_ticket == 0 || address == 0 || !(bytes >= 1 && bytes <= kMostPostBytes))
    return context_at(context).fail(NANOGPT_INVALID,
                                    "A post takes an address for its ticket, one to copy from and 1 to 65536 bytes, found %.0f bytes",
                                    bytes);
  return pool_context_at(context).post(reinterpret_cast<uint64_t*>(out_ticket), reinterpret_cast<const char*>(address),
                                       static_cast<size_t>(bytes));
}
NANOGPT_EXPORT int32_t nanogpt_collect(uint64_t context, uint64_t target, uint64_t ticket) {
  if (context == 0) return NANOGPT_INVALID;
  if (target == 0) return context_at(context).fail(NANOGPT_INVALID, "A collect takes an address to copy to, found 0");
  return pool_context_at(context).collect(reinterpret_cast<char*>(target), ticket);
}

NANOGPT_EXPORT int32_t nanogpt_graph_begin(uint64_t context) { return unsupported(context, "graphs"); }
NANOGPT_EXPORT int32_t nanogpt_graph_end(uint64_t context, uint64_t) { return unsupported(context, "graphs"); }
NANOGPT_EXPORT int32_t nanogpt_graph_launch(uint64_t context, uint64_t) { return unsupported(context, "graphs"); }
NANOGPT_EXPORT int32_t nanogpt_graph_free(uint64_t context, uint64_t) { return unsupported(context, "graphs"); }
NANOGPT_EXPORT int32_t nanogpt_schedule(uint64_t context, uint32_t, uint32_t) {
  return unsupported(context, "schedule to choose");
}
NANOGPT_EXPORT int32_t nanogpt_waits(uint64_t context, uint64_t) { return unsupported(context, "waits to count"); }
NANOGPT_EXPORT int32_t nanogpt_open_cublaslt(uint64_t context) { return unsupported(context, "cuBLASLt"); }
NANOGPT_EXPORT int32_t nanogpt_selftest(uint64_t context, uint64_t, uint32_t) { return unsupported(context, "self-test"); }

// The functions that GCC's -fsanitize=thread calls in checked kernels: loads, stores, atomics, copies. The sanitizer's own
// library is not linked; these lead to the checks. Compiled without that flag. Decides nothing. May include only
// shadow.h, watch.h and the standard library.
#include "shadow.h"
#include "watch.h"

#if defined(NANOGPT_EMULATION_CHECKS)
#include <cstring>

using nanogpt::emulation::AtomicAccess;
using nanogpt::emulation::kRead;
using nanogpt::emulation::kWrite;
using nanogpt::emulation::watch;
using nanogpt::emulation::watch_atomic;
using nanogpt::emulation::watch_fence;

#define CODE __builtin_return_address(0)
#define HOOKS(bytes)                                                                                      \
  extern "C" void __tsan_read##bytes(void* p) { watch(p, bytes, kRead, true, CODE); }                     \
  extern "C" void __tsan_write##bytes(void* p) { watch(p, bytes, kWrite, true, CODE); }                   \
  extern "C" void __tsan_volatile_read##bytes(void* p) { watch(p, bytes, kRead, true, CODE); }            \
  extern "C" void __tsan_volatile_write##bytes(void* p) { watch(p, bytes, kWrite, true, CODE); }          \
  extern "C" void __tsan_unaligned_read##bytes(void* p) { watch(p, bytes, kRead, false, CODE); }          \
  extern "C" void __tsan_unaligned_write##bytes(void* p) { watch(p, bytes, kWrite, false, CODE); }        \
  extern "C" void __tsan_unaligned_volatile_read##bytes(void* p) { watch(p, bytes, kRead, false, CODE); } \
  extern "C" void __tsan_unaligned_volatile_write##bytes(void* p) { watch(p, bytes, kWrite, false, CODE); }

HOOKS(1)
HOOKS(2)
HOOKS(4)
HOOKS(8)
HOOKS(16)

extern "C" void __tsan_init() {}
extern "C" void __tsan_func_entry(void*) {}
extern "C" void __tsan_func_exit() {}
extern "C" void __tsan_read_range(void* p, size_t bytes) { watch(p, bytes, kRead, false, CODE); }
extern "C" void __tsan_write_range(void* p, size_t bytes) { watch(p, bytes, kWrite, false, CODE); }
extern "C" void __tsan_vptr_update(void** p, void*) { watch(p, sizeof *p, kWrite, true, CODE); }
extern "C" void __tsan_vptr_read(void** p) { watch(p, sizeof *p, kRead, true, CODE); }

#define FETCH(bits, type, name)                                                             \
  extern "C" type __tsan_atomic##bits##_fetch_##name(volatile type* p, type x, int order) { \
    watch_atomic(const_cast<type*>(p), sizeof(type), AtomicAccess::update, order, CODE);    \
    return __atomic_fetch_##name(p, x, __ATOMIC_SEQ_CST);                                   \
  }
#define EXCHANGE(bits, type, strength, weak)                                                                       \
  extern "C" int __tsan_atomic##bits##_compare_exchange_##strength(volatile type* p, type* expected, type desired, \
                                                                   int order, int) {                               \
    watch_atomic(const_cast<type*>(p), sizeof(type), AtomicAccess::update, order, CODE);                           \
    return __atomic_compare_exchange_n(p, expected, desired, weak, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);            \
  }
#define ATOMICS(bits, type)                                                              \
  extern "C" type __tsan_atomic##bits##_load(const volatile type* p, int order) {        \
    watch_atomic(const_cast<type*>(p), sizeof(type), AtomicAccess::load, order, CODE);   \
    return __atomic_load_n(p, __ATOMIC_SEQ_CST);                                         \
  }                                                                                      \
  extern "C" void __tsan_atomic##bits##_store(volatile type* p, type x, int order) {     \
    watch_atomic(const_cast<type*>(p), sizeof(type), AtomicAccess::store, order, CODE);  \
    __atomic_store_n(p, x, __ATOMIC_SEQ_CST);                                            \
  }                                                                                      \
  extern "C" type __tsan_atomic##bits##_exchange(volatile type* p, type x, int order) {  \
    watch_atomic(const_cast<type*>(p), sizeof(type), AtomicAccess::update, order, CODE); \
    return __atomic_exchange_n(p, x, __ATOMIC_SEQ_CST);                                  \
  }                                                                                      \
  FETCH(bits, type, add)                                                                 \
  FETCH(bits, type, sub)                                                                 \
  FETCH(bits, type, and)                                                                 \
  FETCH(bits, type, or)                                                                  \
  FETCH(bits, type, xor)                                                                 \
  FETCH(bits, type, nand)                                                                \
  EXCHANGE(bits, type, strong, false)                                                    \
  EXCHANGE(bits, type, weak, true)

ATOMICS(8, uint8_t)
ATOMICS(16, uint16_t)
ATOMICS(32, uint32_t)
ATOMICS(64, uint64_t)

extern "C" void __tsan_atomic_thread_fence(int order) { watch_fence(order); }
extern "C" void __tsan_atomic_signal_fence(int) {}

// Calls of these in kernels are renamed to the watched forms when their objects are made (../cuda.mk).
extern "C" void* nanogpt_watched_memcpy(void* target, const void* source, size_t bytes) {
  watch(source, bytes, kRead, false, CODE);
  watch(target, bytes, kWrite, false, CODE);
  return std::memcpy(target, source, bytes);
}
extern "C" void* nanogpt_watched_memmove(void* target, const void* source, size_t bytes) {
  watch(source, bytes, kRead, false, CODE);
  watch(target, bytes, kWrite, false, CODE);
  return std::memmove(target, source, bytes);
}
extern "C" void* nanogpt_watched_memset(void* target, int value, size_t bytes) {
  watch(target, bytes, kWrite, false, CODE);
  return std::memset(target, value, bytes);
}

#endif

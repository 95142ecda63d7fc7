// wgmma: matrix products of a warpgroup (four warps; sm_90a) on bf16 with float32 accumulators, d[64,N] (+)= a[64,16]
// b[16,N]. Operands lie in shared memory and are given by descriptors, or a in registers. The instruction runs on its own:
//   pin(d); wgmma_fence(); wgmma<N, 0, 0>(d, ...) for each 16 of k; wgmma_commit(); wgmma_wait<0>(); pin(d);
// Between fence and wait nobody may touch d, a's registers or the shared memory (the arrays must outlive the wait); ptxas
// says C75xx where a kernel does. May include only sync.h, ../tensor_map.h and the emulation's matrix.h.
#pragma once
#include "../tensor_map.h"
#include "sync.h"
#if !defined(__CUDACC__)
#include "../../emulation/matrix.h"
#endif

namespace nanogpt::cuda {

// Of thread t of the warpgroup with w = t / 32, g = t % 32 / 4, q = t % 4: d[i] is row 16w + g + 8 * (i / 2 % 2), column
// 8 * (i / 4) + 2q + i % 2; a[j] holds row 16w + g + 8 * (j % 2), columns
// 2q + 8 * (j / 2) and one more.

// Where an operand lies in shared memory (PTX ISA, "Matrix-descriptor format"). Start: multiple of 16; with a swizzle the
// tile begins at a multiple of 8 rows (1024, 512, 256 bytes), and k advances by adding bytes to the start. A K-major operand
// has its k contiguous: stride_bytes from 8 rows to the next 8 (8 times the swizzle's width if dense), leading_bytes unused
// with a swizzle. An operand stored with its m or n contiguous (transposed): leading_bytes to the next swizzle's width of m
// or n, stride_bytes to the next 8 of k.
DEVICE uint64_t matrix_descriptor(uint32_t shared, uint32_t leading_bytes, uint32_t stride_bytes, Swizzle swizzle) {
  const uint64_t code = (4u - static_cast<uint32_t>(swizzle)) & 3u;  // here 1 is 128 bytes and 3 is 32
  return uint64_t{(shared & 0x3ffffu) >> 4} | uint64_t{(leading_bytes & 0x3ffffu) >> 4} << 16 |
         uint64_t{(stride_bytes & 0x3ffffu) >> 4} << 32 | code << 62;
}

#if defined(__CUDACC__)

// Keeps the compiler from moving accesses to the accumulators over this point.
template <int count>
DEVICE void pin(float (&d)[count]) {
  UNROLL
  for (int i = 0; i < count; i++) asm volatile("" : "+f"(d[i])::"memory");
}
// Before the first product of a batch, and again whenever d or a's registers have been touched otherwise.
DEVICE void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
// Closes the group of products issued since the last commit.
DEVICE void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
// Waits until at most the `newest` latest groups are unfinished.
template <int newest>
DEVICE void wgmma_wait() { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(newest) : "memory"); }

template <int N, int TransA, int TransB>
struct Wgmma;
template <int N, int TransB>
struct WgmmaRegisterA;

// D: the accumulators in the text, R: as operands; then the numbers of the operands after them.
#define WGMMA_SHAPE(N, D, R, p0, p1, p2, p3, p4, p5, p6)                                                                  \
  template <int TransA, int TransB>                                                                                      \
  struct Wgmma<N, TransA, TransB> {                                                                                      \
    DEVICE static void run(float (&d)[N / 2], uint64_t a, uint64_t b, int accumulate) {                                  \
      asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " p2 ", 0;\n"                                                       \
                   "wgmma.mma_async.sync.aligned.m64n" #N "k16.f32.bf16.bf16 {" D "}, " p0 ", " p1 ", p, 1, 1, " p3      \
                   ", " p4 ";\n}"                                                                                        \
                   : R                                                                                                   \
                   : "l"(a), "l"(b), "r"(accumulate), "n"(TransA), "n"(TransB));                                         \
    }                                                                                                                    \
  };                                                                                                                     \
  template <int TransB>                                                                                                  \
  struct WgmmaRegisterA<N, TransB> {                                                                                     \
    DEVICE static void run(float (&d)[N / 2], const uint32_t (&a)[4], uint64_t b, int accumulate) {                      \
      asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " p5 ", 0;\n"                                                       \
                   "wgmma.mma_async.sync.aligned.m64n" #N "k16.f32.bf16.bf16 {" D "}, {" p0 ", " p1 ", " p2 ", " p3      \
                   "}, " p4 ", p, 1, 1, " p6 ";\n}"                                                                      \
                   : R                                                                                                   \
                   : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(accumulate), "n"(TransB));                  \
    }                                                                                                                    \
  }

#define WGMMA_R4(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define WGMMA_R16(i) WGMMA_R4(i), WGMMA_R4(i + 4), WGMMA_R4(i + 8), WGMMA_R4(i + 12)
#define WGMMA_D16 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15"
#define WGMMA_D32 WGMMA_D16 ", %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define WGMMA_D48 WGMMA_D32 ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47"
#define WGMMA_D64 WGMMA_D48 ", %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define WGMMA_D80 WGMMA_D64 ", %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79"
#define WGMMA_D96 WGMMA_D80 ", %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95"
#define WGMMA_D112 WGMMA_D96 ", %96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111"
#define WGMMA_D128 WGMMA_D112 ", %112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
#define WGMMA_ALL16 WGMMA_R16(0)
#define WGMMA_ALL32 WGMMA_ALL16, WGMMA_R16(16)
#define WGMMA_ALL48 WGMMA_ALL32, WGMMA_R16(32)
#define WGMMA_ALL64 WGMMA_ALL48, WGMMA_R16(48)
#define WGMMA_ALL80 WGMMA_ALL64, WGMMA_R16(64)
#define WGMMA_ALL96 WGMMA_ALL80, WGMMA_R16(80)
#define WGMMA_ALL112 WGMMA_ALL96, WGMMA_R16(96)
#define WGMMA_ALL128 WGMMA_ALL112, WGMMA_R16(112)
WGMMA_SHAPE(32, WGMMA_D16, WGMMA_ALL16, "%16", "%17", "%18", "%19", "%20", "%21", "%22");
WGMMA_SHAPE(64, WGMMA_D32, WGMMA_ALL32, "%32", "%33", "%34", "%35", "%36", "%37", "%38");
WGMMA_SHAPE(96, WGMMA_D48, WGMMA_ALL48, "%48", "%49", "%50", "%51", "%52", "%53", "%54");
WGMMA_SHAPE(128, WGMMA_D64, WGMMA_ALL64, "%64", "%65", "%66", "%67", "%68", "%69", "%70");
WGMMA_SHAPE(160, WGMMA_D80, WGMMA_ALL80, "%80", "%81", "%82", "%83", "%84", "%85", "%86");
WGMMA_SHAPE(192, WGMMA_D96, WGMMA_ALL96, "%96", "%97", "%98", "%99", "%100", "%101", "%102");
WGMMA_SHAPE(224, WGMMA_D112, WGMMA_ALL112, "%112", "%113", "%114", "%115", "%116", "%117", "%118");
WGMMA_SHAPE(256, WGMMA_D128, WGMMA_ALL128, "%128", "%129", "%130", "%131", "%132", "%133", "%134");
#undef WGMMA_D16
#undef WGMMA_ALL16
#undef WGMMA_D32
#undef WGMMA_ALL32
#undef WGMMA_D48
#undef WGMMA_ALL48
#undef WGMMA_D64
#undef WGMMA_ALL64
#undef WGMMA_D80
#undef WGMMA_ALL80
#undef WGMMA_D96
#undef WGMMA_ALL96
#undef WGMMA_D112
#undef WGMMA_ALL112
#undef WGMMA_D128
#undef WGMMA_ALL128
#undef WGMMA_SHAPE
#undef WGMMA_R4
#undef WGMMA_R16

// Issues one product, both operands in shared memory; Trans 1: the operand is stored with its m (n) contiguous. accumulate
// false: d is overwritten. N: a multiple of 32 up to 256.
template <int N, int TransA, int TransB>
DEVICE void wgmma(float (&d)[N / 2], uint64_t desc_a, uint64_t desc_b, bool accumulate) {
  Wgmma<N, TransA, TransB>::run(d, desc_a, desc_b, accumulate);
}
// The same with a in registers, laid out as an accumulator rounded to bf16 is: a[j] packs d[8c + 2j] and d[8c + 2j + 1] for
// the 16 columns c.
template <int N, int TransB>
DEVICE void wgmma_register_a(float (&d)[N / 2], const uint32_t (&a)[4], uint64_t desc_b, bool accumulate) {
  WgmmaRegisterA<N, TransB>::run(d, a, desc_b, accumulate);
}

#else

template <int count>
DEVICE void pin(float (&)[count]) {}
DEVICE void wgmma_fence(PTX_ONLY_SITE) { emulation::wgmma_fence(site); }
DEVICE void wgmma_commit(PTX_ONLY_SITE) { emulation::wgmma_commit(site); }
template <int newest>
DEVICE void wgmma_wait(PTX_ONLY_SITE) { emulation::wgmma_wait(newest, site); }
template <int N, int TransA, int TransB>
DEVICE void wgmma(float (&d)[N / 2], uint64_t desc_a, uint64_t desc_b, bool accumulate SITE) {
  static_assert(N % 32 == 0 && N <= 256, "a width that the wrapper has");
  emulation::wgmma({N, TransA, TransB, accumulate, desc_a, desc_b}, d, nullptr, site);
}
template <int N, int TransB>
DEVICE void wgmma_register_a(float (&d)[N / 2], const uint32_t (&a)[4], uint64_t desc_b, bool accumulate SITE) {
  static_assert(N % 32 == 0 && N <= 256, "a width that the wrapper has");
  emulation::wgmma({N, 0, TransB, accumulate, 0, desc_b}, d, a, site);
}

#endif

}  // namespace nanogpt::cuda

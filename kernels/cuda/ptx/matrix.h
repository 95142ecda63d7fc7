// Matrix instructions of a warp (sm_80, stmatrix sm_90): ldmatrix, stmatrix and mma.sync on bf16. All 32 lanes call. With
// g = lane / 4 and q = lane % 4, a register of an 8 x 8 matrix holds elements (g, 2q) and (g, 2q + 1). May include only
// sync.h and the emulation's matrix.h.
#pragma once
#include "sync.h"
#if !defined(__CUDACC__)
#include "../../emulation/matrix.h"
#endif

namespace nanogpt::cuda {

#if defined(__CUDACC__)

// Loads 1, 2 or 4 matrices of 8 x 8 bf16: lane 8m + r gives the shared address (a multiple of 16) of row r of matrix m, and
// r[m] gets this lane's two elements of it. Addresses of lanes beyond the matrices are not looked at.
DEVICE void load_matrix_x1(uint32_t (&r)[1], uint32_t shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];" : "=r"(r[0]) : "r"(shared) : "memory");
}
DEVICE void load_matrix_x2(uint32_t (&r)[2], uint32_t shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(shared) : "memory");
}
DEVICE void load_matrix_x4(uint32_t (&r)[4], uint32_t shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared) : "memory");
}
// The same of the matrices transposed: a register holds elements (2q, g) and (2q + 1, g) of what is in memory.
DEVICE void load_matrix_x2_transposed(uint32_t (&r)[2], uint32_t shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1]) : "r"(shared) : "memory");
}
DEVICE void load_matrix_x4_transposed(uint32_t (&r)[4], uint32_t shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared) : "memory");
}
// The inverse of load_matrix_x4 and load_matrix_x4_transposed.
DEVICE void store_matrix_x4(uint32_t shared, const uint32_t (&r)[4]) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(shared), "r"(r[0]), "r"(r[1]),
               "r"(r[2]), "r"(r[3])
               : "memory");
}
DEVICE void store_matrix_x4_transposed(uint32_t shared, const uint32_t (&r)[4]) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(shared), "r"(r[0]), "r"(r[1]),
               "r"(r[2]), "r"(r[3])
               : "memory");
}
// d[16,8] += a[16,16] b[16,8]. Of lane (g, q): d holds rows g, g, g + 8, g + 8 and columns 2q, 2q + 1, 2q, 2q + 1; a holds
// (g, 2q..), (g + 8, 2q..), (g, 2q + 8..), (g + 8, 2q + 8..); b holds k = 2q.. and 2q + 8.. of column g.
DEVICE void mma_m16n8k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

#else

DEVICE void load_matrix_x1(uint32_t (&r)[1], uint32_t shared SITE) { emulation::load_matrix(r, 1, false, shared, site); }
DEVICE void load_matrix_x2(uint32_t (&r)[2], uint32_t shared SITE) { emulation::load_matrix(r, 2, false, shared, site); }
DEVICE void load_matrix_x4(uint32_t (&r)[4], uint32_t shared SITE) { emulation::load_matrix(r, 4, false, shared, site); }
DEVICE void load_matrix_x2_transposed(uint32_t (&r)[2], uint32_t shared SITE) {
  emulation::load_matrix(r, 2, true, shared, site);
}
DEVICE void load_matrix_x4_transposed(uint32_t (&r)[4], uint32_t shared SITE) {
  emulation::load_matrix(r, 4, true, shared, site);
}
DEVICE void store_matrix_x4(uint32_t shared, const uint32_t (&r)[4] SITE) {
  emulation::store_matrix(shared, r, 4, false, site);
}
DEVICE void store_matrix_x4_transposed(uint32_t shared, const uint32_t (&r)[4] SITE) {
  emulation::store_matrix(shared, r, 4, true, site);
}
DEVICE void mma_m16n8k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2] SITE) {
  emulation::mma_m16n8k16(d, a, b, site);
}

#endif

}  // namespace nanogpt::cuda

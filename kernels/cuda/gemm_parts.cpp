// The limits of the fast forms' operands, the choice of a kernel, the cutting of k by how long an H100 should take, and the
// kernel that adds the partial sums; see gemm_parts.h. Starts no other kernel and never looks at the chip. May include only
// context.h and gemm_parts.h.
#include "gemm_parts.h"
#include "context.h"

namespace nanogpt::cuda {
namespace {

constexpr size_t kBesidePartials = 256;

}  // namespace

int32_t check_operand(Context& context, const char* op, uint32_t form, const char* name, const Operand& x) {
  if (x.dtype != NANOGPT_BF16)
    return context.fail(NANOGPT_INVALID, "Kernel %s: form %u takes bf16 operands, found float32 %s", op, form, name);
  if (x.ld % 8 != 0 || x.batch_stride % 8 != 0)
    return context.fail(NANOGPT_INVALID, "Kernel %s: form %u takes rows of a multiple of 8 elements, found %llu in %s", op, form,
                        static_cast<unsigned long long>(x.ld), name);
  if (reinterpret_cast<uint64_t>(x.data) % 16 != 0)
    return context.fail(NANOGPT_INVALID, "Kernel %s: form %u takes addresses of a multiple of 16 bytes, found %p for %s", op,
                        form, x.data, name);
  return NANOGPT_OK;
}

int32_t choose_kernel(Context& context, const char* op, uint32_t form, const Product& p, const char* const (&plain)[2][2],
                      std::initializer_list<FinishedKernel> finished, const char*& name) {
  const bool a = p.a.transposed != 0, b = p.b.transposed != 0;
  if (p.finish.kind == FinishKind::none) {
    name = plain[a][b];
    return NANOGPT_OK;
  }
  for (const FinishedKernel& kernel : finished) {
    if (kernel.finish != p.finish.kind || (kernel.a_transposed != 0) != a || (kernel.b_transposed != 0) != b) continue;
    name = kernel.name;
    return NANOGPT_OK;
  }
  return context.fail(NANOGPT_UNSUPPORTED, "Kernel %s: form %u has no finish %u of operands transposed %d and %d", op, form,
                      static_cast<uint32_t>(p.finish.kind), a, b);
}

Cut cut_depth(const Product& p, uint64_t tiles, const StageRates& rates) {
  constexpr uint64_t kLeastDepth = 512, kMostParts = 64;
  const uint64_t sums = p.m * partial_ld(p), room = (kScratchBytes - kBesidePartials) / 4;
  const uint32_t whole = blocks_for(p.k, rates.depth);
  Cut best{1, whole * rates.depth};
  if (p.symmetric != 0 || p.batch != 1 || p.whole != 0 || p.finish.kind != FinishKind::none) return best;
  // In stages: waves of blocks, then the partial sums.
  uint64_t least = (tiles + rates.blocks - 1) / rates.blocks * whole;
  for (uint64_t parts = 2; parts <= kMostParts && parts * kLeastDepth <= p.k && parts * sums <= room; parts++) {
    const uint64_t stages = (whole + parts - 1) / parts;
    const uint64_t time = (tiles * parts + rates.blocks - 1) / rates.blocks * stages + parts * sums / rates.sums;
    if (time >= least) continue;
    least = time;
    best.depth = static_cast<uint32_t>(stages) * rates.depth;
  }
  best.parts = blocks_for(p.k, best.depth);
  return best;
}

float* partials_of(Context& context) { return memory<float>(context.scratch() + kBesidePartials); }

uint64_t partial_ld(const Product& product) { return (uint64_t{product.n} + 7) / 8 * 8; }

int32_t add_partials(Context& context, const Product& product, uint32_t parts) {
  constexpr uint32_t kThreads = 256;
  const uint64_t ld = partial_ld(product);
  return launch(context, "gemm_add_partials", {{blocks_for(product.m * ld / 8, kThreads)}, kThreads},
                PartialSums{product, partials_of(context), ld, parts});
}

}  // namespace nanogpt::cuda

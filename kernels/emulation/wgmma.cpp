// wgmma: products of a warpgroup on their way. Without checks a product is done when it is issued. Checked, its accumulators
// hold NaN from the issue to the wait that covers it; shared memory and registers of a are read at some moment up to the
// first such wait. Refuses a batch without wgmma_fence, descriptors that the ISA leaves undefined, and registers touched in
// flight. May include only block.h, fragments.h, k_order.h, matrix.h, product.h and the standard library.
#include "block.h"
#include "fragments.h"
#include "k_order.h"
#include "matrix.h"
#include "product.h"
#include <cstring>

namespace nanogpt::emulation {
namespace {

constexpr uint32_t kThreads = 128, kWarps = 4;
constexpr uint32_t kPieceElements = 8;  // 16 bytes of bf16, contiguous in every layout
constexpr uint32_t kPoison = 0x7fc0dead;  // a NaN that no arithmetic makes

struct Operands {
  WgmmaShape shape;
  float* d;
  const uint32_t* a;
  Lane* lane;
};

float float_of_bf16(uint16_t bits) {
  const uint32_t wide = uint32_t{bits} << 16;
  float x;
  std::memcpy(&x, &wide, sizeof x);
  return x;
}

MatrixDescriptor checked_descriptor(const char* which, uint64_t bits, Site site) {
  const MatrixDescriptor d = decode_descriptor(bits);
  if (d.base_offset != 0)
    fault(site, "wgmma: descriptor of %s: base offset %u; tiles must begin at whole swizzle patterns", which, d.base_offset);
  if (d.reserved) fault(site, "wgmma: descriptor of %s: %016llx has bits set that must be 0", which,
                        static_cast<unsigned long long>(bits));
  if (d.width != 0 && d.start / d.width % 8 != 0)
    fault(site, "wgmma: descriptor of %s: start %u is not in the first row of a pattern of %u bytes", which, d.start,
          8 * d.width);
  return d;
}

// Calls use(mn, k, elements) for each 16-byte piece of an operand of `extent` rows (m of a) or columns (n of b).
template <class Use>
void for_each_piece(const MatrixDescriptor& d, bool transposed, uint32_t first, uint32_t extent, Site site, Use use) {
  const uint32_t mn_step = transposed ? kPieceElements : 1, k_step = transposed ? 1 : kPieceElements;
  for (uint32_t mn = first; mn < first + extent; mn += mn_step) {
    for (uint32_t k = 0; k < kProductDepth; k += k_step) {
      use(mn, k, shared_pointer(operand_address(d, transposed, mn, k), 16, site));
    }
  }
}

// The float at (mn + i) or (k + i) of a piece, given to set(mn, k, x).
template <class Set>
void spread(bool transposed, uint32_t mn, uint32_t k, const char* piece, Set set) {
  uint16_t bits[kPieceElements];
  std::memcpy(bits, piece, sizeof bits);
  for (uint32_t i = 0; i < kPieceElements; i++) {
    if (transposed) set(mn + i, k, float_of_bf16(bits[i]));
    else set(mn, k + i, float_of_bf16(bits[i]));
  }
}

// Reads both operands: of `a` the registers where there are any.
void read_operands(const WgmmaShape& shape, const uint32_t* const* a, WgmmaTiles& tiles, Site site) {
  const KOrder order;
  if (a[0] == nullptr) {
    const MatrixDescriptor d = checked_descriptor("a", shape.desc_a, site);
    const auto set = [&](uint32_t m, uint32_t k, float x) { tiles.a[m][order.of[k]] = x; };
    for_each_piece(d, shape.trans_a, 0, kWgmmaRows, site, [&](uint32_t m, uint32_t k, const char* piece) {
      spread(shape.trans_a, m, k, piece, set);
    });
  } else {
    for (uint32_t thread = 0; thread < kThreads; thread++) {
      for (uint32_t j = 0; j < 8; j++) {
        const Element at = wgmma_a(thread, j);
        tiles.a[at.row][order.of[at.column]] = float_of_bf16(static_cast<uint16_t>(a[thread][j / 2] >> (j % 2 * 16)));
      }
    }
  }
  const MatrixDescriptor d = checked_descriptor("b", shape.desc_b, site);
  const auto set = [&](uint32_t n, uint32_t k, float x) { tiles.set_b(order.of[k], n, x); };
  for_each_piece(d, shape.trans_b, 0, shape.n, site, [&](uint32_t n, uint32_t k, const char* piece) {
    spread(shape.trans_b, n, k, piece, set);
  });
}

// Too large for a fiber's stack.
WgmmaTiles& own_tiles() {
  static thread_local WgmmaTiles tiles;
  return tiles;
}

void require_equal(Operands* const* lanes, Site site) {
  for (uint32_t i = 1; i < kThreads; i++) {
    if (!(lanes[i]->shape == lanes[0]->shape))
      fault(site, "wgmma: thread %u of the warpgroup gives other descriptors or flags than thread 0", i);
  }
}

#if defined(NANOGPT_EMULATION_CHECKS)

WarpProducts& products_of(const Lane& lane) { return lane.block->asynchrony.warps[lane.linear / kWarpLanes]; }

// Accesses of warp w, in its own name: its rows of a, and b.
void note_reads(const Product& product, uint32_t w) {
  const WgmmaShape& shape = product.shape;
  const auto note = [&](uint32_t, uint32_t, const char* piece) { note_read(product.reading[w], piece, 16, product.site); };
  if (product.a[0] == nullptr) {
    const MatrixDescriptor d = checked_descriptor("a", shape.desc_a, product.site);
    for_each_piece(d, shape.trans_a, 16 * w, 16, product.site, note);
  }
  const MatrixDescriptor d = checked_descriptor("b", shape.desc_b, product.site);
  for_each_piece(d, shape.trans_b, 0, shape.n, product.site, note);
}

// Threads first to end - 1 have left their registers of a alone.
void require_untouched_a(const Product& product, uint32_t first, uint32_t end) {
  if (product.a[0] == nullptr) return;
  for (uint32_t i = first; i < end; i++) {
    if (std::memcmp(product.a[i], product.a_at_issue[i], sizeof product.a_at_issue[i]) != 0)
      fault(product.site, "wgmma: registers of a of thread %u were changed before the wait", i);
  }
}

// Reads what the product needs and adds it to the accumulator's kept values.
void perform(Product& product) {
  if (product.done) return;
  product.done = true;
  if (product.before) perform(*product.before);
  product.before.reset();
  require_untouched_a(product, 0, kThreads);
  for (uint32_t w = 0; w < kWarps; w++) note_reads(product, w);
  WgmmaTiles& tiles = own_tiles();
  read_operands(product.shape, product.a, tiles, product.site);
  float* rows[kThreads];
  for (uint32_t i = 0; i < kThreads; i++) rows[i] = &product.accumulator->values[i * (product.shape.n / 2)];
  multiply(rows, tiles, product.shape.n, product.shape.accumulate);
}

// The accumulator that these registers are, in flight already or from now on.
std::shared_ptr<Accumulator> accumulator_of(Block& block, Operands* const* lanes, uint32_t n, Site site) {
  auto& known = block.asynchrony.accumulators[lanes[0]->d];
  if (known != nullptr) {
    if (known->n != n) fault(site, "wgmma: products of %u and %u columns on the same accumulator in flight", known->n, n);
    return known;
  }
  known = std::make_shared<Accumulator>();
  known->n = n;
  known->values.resize(kThreads * (n / 2));
  for (uint32_t i = 0; i < kThreads; i++) {
    known->d[i] = lanes[i]->d;
    std::memcpy(&known->values[i * (n / 2)], lanes[i]->d, n / 2 * sizeof(float));
    for (uint32_t j = 0; j < n / 2; j++) std::memcpy(&lanes[i]->d[j], &kPoison, sizeof kPoison);
  }
  return known;
}

void issue_product(Operands* const* lanes, Site site) {
  Block& block = *self().block;
  const auto product = std::make_shared<Product>();
  product->shape = lanes[0]->shape;
  product->site = site;
  checked_descriptor("b", product->shape.desc_b, site);
  if (lanes[0]->a == nullptr) checked_descriptor("a", product->shape.desc_a, site);
  for (uint32_t w = 0; w < kWarps; w++) {
    WarpProducts& warp = products_of(*lanes[w * kWarpLanes]->lane);
    if (!warp.fenced) fault(site, "wgmma: warp %u has issued no wgmma_fence since it last waited", w);
    if (warp.last != nullptr && !warp.last->done) product->before = warp.last;
    product->reading[w] = begin_flight(*lanes[w * kWarpLanes + draw(kWarpLanes)]->lane, Proxy::async);
  }
  product->accumulator = accumulator_of(block, lanes, product->shape.n, site);
  for (uint32_t i = 0; i < kThreads; i++) {
    product->a[i] = lanes[i]->a;
    if (lanes[i]->a != nullptr) std::memcpy(product->a_at_issue[i], lanes[i]->a, sizeof product->a_at_issue[i]);
  }
  for (uint32_t w = 0; w < kWarps; w++) {
    product->accumulator->products[w]++;
    WarpProducts& warp = products_of(*lanes[w * kWarpLanes]->lane);
    warp.open.push_back(product);
    warp.last = product;
  }
  product->id = issue("wgmma", site, [product] { perform(*product); });
}

// A warp has waited for a product: gives the lanes their results once none of theirs is in flight. Who observes `done` is
// after it.
void retire(Product& product, Lane* const* lanes, Clock& done, Site site) {
  complete(product.id);
  perform(product);
  const uint32_t w = lanes[0]->linear % kThreads / kWarpLanes;
  require_untouched_a(product, w * kWarpLanes, (w + 1) * kWarpLanes);
  for (const Flight& flight : product.reading) finish_flight(flight, done);
  Accumulator& accumulator = *product.accumulator;
  if (--accumulator.products[w] > 0) return;
  for (uint32_t i = w * kWarpLanes; i < (w + 1) * kWarpLanes; i++) {
    for (uint32_t j = 0; j < accumulator.n / 2; j++) {
      if (std::memcmp(&accumulator.d[i][j], &kPoison, sizeof kPoison) != 0)
        fault(site, "wgmma: accumulator %u of thread %u was written while in flight", j, i);
    }
    std::memcpy(accumulator.d[i], &accumulator.values[i * (accumulator.n / 2)], accumulator.n / 2 * sizeof(float));
  }
  uint32_t left = 0;
  for (const uint32_t count : accumulator.products) left += count;
  if (left == 0) lanes[0]->block->asynchrony.accumulators.erase(accumulator.d[0]);
}

// What a whole warp does once, by the last of its lanes to come.
template <class Act>
void once_a_warp(const char* op, Act act, Site site) {
  Lane* mine = &self();
  collective(op, 0xffffffffu, mine, [&](Lane** const* lanes) {
    Lane* warp[kWarpLanes];
    for (uint32_t i = 0; i < kWarpLanes; i++) warp[i] = *lanes[i];
    act(warp);
  }, site);
}

#endif

}  // namespace

#if defined(NANOGPT_EMULATION_CHECKS)

void wgmma(const WgmmaShape& shape, float* d, const uint32_t* a, Site site) {
  Operands mine{shape, d, a, &self()};
  warpgroup_collective("wgmma", mine, [site](Operands* const* lanes) {
    require_equal(lanes, site);
    issue_product(lanes, site);
  }, site);
}

void wgmma_fence(Site site) {
  once_a_warp("wgmma.fence", [](Lane* const* lanes) { products_of(*lanes[0]).fenced = true; }, site);
}

void wgmma_commit(Site site) {
  once_a_warp("wgmma.commit_group", [](Lane* const* lanes) {
    WarpProducts& warp = products_of(*lanes[0]);
    warp.groups.push_back(std::move(warp.open));
    warp.open.clear();
  }, site);
}

void wgmma_wait(uint32_t newest, Site site) {
  once_a_warp("wgmma.wait_group", [newest, site](Lane* const* lanes) {
    WarpProducts& warp = products_of(*lanes[0]);
    warp.fenced = false;
    Clock done;
    while (warp.groups.size() > newest) {
      const auto group = std::move(warp.groups.front());
      warp.groups.pop_front();
      for (const auto& product : group) retire(*product, lanes, done, site);
    }
    for (uint32_t i = 0; i < kWarpLanes; i++) observe(*lanes[i], done);
  }, site);
}

#else

void wgmma(const WgmmaShape& shape, float* d, const uint32_t* a, Site site) {
  Operands mine{shape, d, a, &self()};
  warpgroup_collective("wgmma", mine, [site](Operands* const* lanes) {
    require_equal(lanes, site);
    float* rows[kThreads];
    const uint32_t* registers[kThreads];
    for (uint32_t i = 0; i < kThreads; i++) {
      rows[i] = lanes[i]->d;
      registers[i] = lanes[i]->a;
    }
    WgmmaTiles& tiles = own_tiles();
    read_operands(lanes[0]->shape, registers, tiles, site);
    multiply(rows, tiles, lanes[0]->shape.n, lanes[0]->shape.accumulate);
  }, site);
}

void wgmma_fence(Site) {}
void wgmma_commit(Site) {}
void wgmma_wait(uint32_t, Site) {}

#endif

}  // namespace nanogpt::emulation

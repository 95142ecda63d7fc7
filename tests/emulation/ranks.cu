// Collectives of two ranks, threads of this process, and what goes wrong between them; with mended twins.
#include "../../kernels/cuda/nccl.h"
#include "../../kernels/emulation/driver.h"
#include "cases.h"
#include <cmath>
#include <functional>
#include <thread>

namespace {

using namespace nanogpt::cuda;
using nanogpt::emulation_tests::Gpu;

// A rank's thread: its context, stream, communicator and a buffer of 8 floats, all (rank + 1) * (index + 1).
struct Rank {
  const Driver& driver;
  const Nccl& nccl;
  int rank;
  Stream stream = nullptr;
  NcclComm comm = nullptr;
  DevicePointer buffer = 0;
  std::string report;

  bool ok(Result result) {
    const char* text = nullptr;
    if (result != 0 && report.empty()) driver.get_error_string(result, &text), report = text;
    return result == 0;
  }
  bool nccl_ok(NcclResult result) {
    if (result != 0 && report.empty()) report = nccl.get_error_string(result);
    return result == 0;
  }
  float* at(size_t i) const { return reinterpret_cast<float*>(buffer) + i; }
  std::vector<float> read() {
    std::vector<float> values(8);
    ok(driver.copy_to_host(values.data(), buffer, 32, stream)) && ok(driver.stream_synchronize(stream));
    return values;
  }
  bool start(NcclUniqueId id) {
    DriverContext context = nullptr;
    std::vector<float> values;
    for (int i = 0; i < 8; i++) values.push_back(static_cast<float>((rank + 1) * (i + 1)));
    return ok(driver.primary_context_retain(&context, rank)) && ok(driver.context_set_current(context)) &&
           ok(driver.stream_create(&stream, 1)) && ok(driver.memory_allocate(&buffer, 32)) &&
           ok(driver.copy_to_device(buffer, values.data(), 32, stream)) && ok(driver.stream_synchronize(stream)) &&
           nccl_ok(nccl.comm_init_rank(&comm, 2, id, rank));
  }
};

// Runs `body` as both ranks; the first report stands.
void both(Gpu& gpu, const std::function<void(Rank&)>& body) {
  const Nccl& nccl = *open_nccl().nccl;
  NcclUniqueId id;
  nccl.get_unique_id(&id);
  nanogpt::emulation::set_patience(200);
  Rank ranks[2] = {{gpu.driver, nccl, 0, nullptr, nullptr, 0, ""}, {gpu.driver, nccl, 1, nullptr, nullptr, 0, ""}};
  std::vector<std::thread> threads;
  for (Rank& rank : ranks)
    threads.emplace_back([&rank, &body, id] {
      if (rank.start(id)) body(rank);
    });
  for (std::thread& thread : threads) thread.join();
  for (const Rank& rank : ranks)
    if (gpu.report.empty()) gpu.report = rank.report;
}

void expect(Rank& rank, const std::vector<float>& wanted, const char* what) {
  const auto found = rank.read();
  if (rank.report.empty() && found != wanted) rank.report = std::string("wrong: ") + what + " gave other numbers";
}

PASSES(ranks_add) {
  both(gpu, [](Rank& r) {
    r.nccl_ok(r.nccl.all_reduce(r.at(0), r.at(0), 8, kNcclFloat32, kNcclSum, r.comm, r.stream));
    expect(r, {3, 6, 9, 12, 15, 18, 21, 24}, "AllReduce");
  });
}
PASSES(ranks_scatter_and_gather) {
  both(gpu, [](Rank& r) {
    float* const part = r.at(static_cast<size_t>(4 * r.rank));
    r.nccl_ok(r.nccl.group_start());
    r.nccl_ok(r.nccl.reduce_scatter(r.at(0), part, 4, kNcclFloat32, kNcclAverage, r.comm, r.stream));
    r.nccl_ok(r.nccl.all_gather(part, r.at(0), 4, kNcclFloat32, r.comm, r.stream));
    r.nccl_ok(r.nccl.group_end());
    expect(r, {1.5, 3, 4.5, 6, 7.5, 9, 10.5, 12}, "ReduceScatter and AllGather");
    r.nccl_ok(r.nccl.comm_destroy(r.comm));
  });
}
PASSES(ranks_broadcast) {
  both(gpu, [](Rank& r) {
    r.nccl_ok(r.nccl.broadcast(r.at(0), r.at(0), 8, kNcclFloat32, 1, r.comm, r.stream));
    expect(r, {2, 4, 6, 8, 10, 12, 14, 16}, "Broadcast");
  });
}
PASSES(ranks_reduce_to_one) {
  both(gpu, [](Rank& r) {
    float* const receive = r.rank == 1 ? r.at(0) : nullptr;
    r.nccl_ok(r.nccl.reduce(r.at(0), receive, 8, kNcclFloat32, kNcclSum, 1, r.comm, r.stream));
    if (r.rank == 1) return expect(r, {3, 6, 9, 12, 15, 18, 21, 24}, "Reduce");
    expect(r, {1, 2, 3, 4, 5, 6, 7, 8}, "Reduce to another");
  });
}
PASSES(ranks_find_the_largest) {
  both(gpu, [](Rank& r) {
    const float mine[4] = {r.rank == 0 ? -1.0f : -2.0f, r.rank == 0 ? 3.0f : 5.0f, r.rank == 0 ? NAN : 7.0f, INFINITY};
    r.ok(r.driver.copy_to_device(r.buffer, mine, sizeof mine, r.stream)) && r.ok(r.driver.stream_synchronize(r.stream));
    r.nccl_ok(r.nccl.all_reduce(r.at(0), r.at(0), 8, kNcclFloat32, kNcclMax, r.comm, r.stream));
    expect(r, {-1, 5, 7, INFINITY, 10, 12, 14, 16}, "AllReduce of the maximum");
  });
}
FINDS(ranks_with_two_operations, "NCCL: ranks differ") {
  both(gpu, [](Rank& r) {
    r.nccl_ok(r.nccl.all_reduce(r.at(0), r.at(0), 8, kNcclFloat32, r.rank == 0 ? kNcclSum : kNcclMax, r.comm, r.stream));
    r.read();
  });
}
FINDS(reduce_without_room_for_it, "an empty buffer") {
  both(gpu, [](Rank& r) {
    if (r.rank == 1) r.nccl_ok(r.nccl.reduce(r.at(0), nullptr, 8, kNcclFloat32, kNcclSum, 1, r.comm, r.stream));
  });
}
FINDS(reduce_to_nobody, "no such root") {
  both(gpu, [](Rank& r) {
    r.nccl_ok(r.nccl.reduce(r.at(0), r.at(0), 8, kNcclFloat32, kNcclSum, 2, r.comm, r.stream));
  });
}
FINDS(reduce_into_a_neighbour, "overlap, but not at the offset of in place") {
  both(gpu, [](Rank& r) {
    r.nccl_ok(r.nccl.reduce(r.at(0), r.at(1), 4, kNcclFloat32, kNcclSum, 0, r.comm, r.stream));
  });
}
FINDS(two_ranks_on_one_gpu, "two ranks on GPU 0: each needs its own") {
  const Nccl& nccl = *open_nccl().nccl;
  NcclUniqueId id;
  nccl.get_unique_id(&id);
  nanogpt::emulation::set_patience(200);
  Rank ranks[2] = {{gpu.driver, nccl, 0, nullptr, nullptr, 0, ""}, {gpu.driver, nccl, 1, nullptr, nullptr, 0, ""}};
  std::vector<std::thread> threads;
  for (Rank& rank : ranks)
    threads.emplace_back([&rank, id] {
      DriverContext context = nullptr;
      rank.ok(rank.driver.primary_context_retain(&context, 0)) && rank.ok(rank.driver.context_set_current(context)) &&
          rank.nccl_ok(rank.nccl.comm_init_rank(&rank.comm, 2, id, rank.rank));
    });
  for (std::thread& thread : threads) thread.join();
  gpu.report = ranks[0].report == ranks[1].report ? ranks[0].report : "the ranks do not agree: " + ranks[0].report;
}
FINDS(ranks_with_two_counts, "NCCL: ranks differ") {
  both(gpu, [](Rank& r) {
    r.nccl_ok(r.nccl.all_reduce(r.at(0), r.at(0), r.rank == 0 ? 8 : 4, kNcclFloat32, kNcclSum, r.comm, r.stream));
    r.read();
  });
}
FINDS(ranks_with_two_roots, "NCCL: ranks differ") {
  both(gpu, [](Rank& r) {
    r.nccl_ok(r.nccl.broadcast(r.at(0), r.at(0), 8, kNcclFloat32, r.rank, r.comm, r.stream));
    r.read();
  });
}
FINDS(in_place_at_a_wrong_offset, "overlap, but not at the offset of in place") {
  both(gpu, [](Rank& r) {
    r.nccl_ok(r.nccl.reduce_scatter(r.at(0), r.at(static_cast<size_t>(4 - 4 * r.rank)), 4, kNcclFloat32, kNcclSum, r.comm,
                                    r.stream));
  });
}
FINDS(communicator_of_two_threads, "two threads drive the communicator") {
  both(gpu, [](Rank& r) {
    r.nccl_ok(r.nccl.all_reduce(r.at(0), r.at(0), 8, kNcclFloat32, kNcclSum, r.comm, r.stream));
    r.read();
    std::thread([&r] {
      r.nccl_ok(r.nccl.all_reduce(r.at(0), r.at(0), 8, kNcclFloat32, kNcclSum, r.comm, r.stream));
    }).join();
  });
}
FINDS(rank_that_never_comes, "NCCL remote error") {
  if (gpu.seed != 3) return;  // a wait for nothing takes its time: once is enough
  both(gpu, [](Rank& r) {
    if (r.rank == 1) return;
    r.nccl_ok(r.nccl.all_reduce(r.at(0), r.at(0), 8, kNcclFloat32, kNcclSum, r.comm, r.stream));
    const Result result = r.driver.stream_synchronize(r.stream);
    NcclResult error = 0;
    r.nccl.comm_get_async_error(r.comm, &error);
    if (result != 0 && error == kNcclRemoteError) r.report = "NCCL remote error";
    r.nccl.comm_abort(r.comm);
    r.ok(r.driver.stream_synchronize(r.stream));
  });
}

}  // namespace

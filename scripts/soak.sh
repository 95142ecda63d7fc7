#!/bin/sh
# make soak: the GPU kernels on the emulation, with the Deno given as the first argument: every op under SEEDS random
# schedules (200) with every memory access watched, shared out over the cores, and the larger golden file's training run.
# Takes most of an hour on two cores; exit code 0 only if nothing was found.

deno=$1
seeds=${SEEDS:-200}
cores=$(nproc)
export NO_COLOR=1
mkdir -p build

# Each core takes as many seeds as the others, or one more.
part() {
  share=$(((seeds + cores - 1 - $1) / cores))
  [ "$share" -gt 0 ] || return 0
  golden=$([ "$1" -eq 0 ] && echo golden)
  "$deno" run --quiet --allow-all --no-check tests/ffi/soak.ts "$share" $((1000 + $1 * 1000)) "$golden" >"build/soak.$1.log" 2>&1
}

i=0
jobs=
while [ "$i" -lt "$cores" ]; do
  part "$i" &
  jobs="$jobs $!"
  i=$((i + 1))
done
status=0
i=0
for job in $jobs; do
  wait "$job" || status=1
  cat "build/soak.$i.log"
  i=$((i + 1))
done
exit "$status"

#!/bin/sh
# make soak: the GPU kernels on the emulation, with the Deno given as the first argument: every op under SEEDS random
# schedules (200) with every memory access watched, then the larger golden file's training run. Takes about an hour; exit
# code 0 only if nothing was found.

deno=$1
export NO_COLOR=1
exec "$deno" run --quiet --allow-all --no-check tests/ffi/soak.ts "${SEEDS:-200}"

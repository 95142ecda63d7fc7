#!/bin/sh
# make sanitize: runs the ops, and the collectives, on the kernel libraries built under AddressSanitizer with UBSan, then under
# ThreadSanitizer, with the Deno given as the first argument. The sanitizers' runtimes must be in the process before anything else, and
# must leave Deno itself alone: it collects its own garbage, and was not built to be watched. Exit code 0 only if there
# was no report and no wrong result.

deno=$1
compiler=${CXX:-g++}
export NO_COLOR=1

run() {
  library=build/libnanogpt_cpu_$1.so
  shift
  "$deno" run --quiet --allow-all --no-check tests/kernels/sanitize.ts "$library" "$@"
}

echo "== AddressSanitizer and UBSan"
LD_PRELOAD="$($compiler -print-file-name=libasan.so) $($compiler -print-file-name=libstdc++.so)" \
  ASAN_OPTIONS=detect_leaks=0:halt_on_error=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 run asan 1 3 || exit

echo "== ThreadSanitizer"
LD_PRELOAD="$($compiler -print-file-name=libtsan.so)" \
  TSAN_OPTIONS=ignore_noninstrumented_modules=1:report_thread_leaks=0:halt_on_error=1 run tsan 2 3 || exit

echo "No report"

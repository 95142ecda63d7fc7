#!/bin/sh
# The gate: formatting, lint, strict check and all tests, with the Deno given as the first argument. Each of the first
# three counts as one test. The tests that keep the emulated GPU busy for minutes run beside all else.
# The last line is "N passed, N failed"; exit code 0 only if nothing failed and tests ran.

deno=$1
log=build/test.log
emulated_log=build/test_emulated.log
emulated="tests/emulation tests/cli/emulated_test.ts tests/cli/nonfinite_test.ts tests/run/golden_test.ts
  tests/ffi/ops_test.ts tests/ffi/schedules_test.ts $(echo tests/ffi/gpu_*_test.ts)"
passed=0
failed=0
export NO_COLOR=1

part() {
  echo "== deno $*"
  if "$deno" "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

# The number before the word in the last line of a log of deno's: "ok | 16 passed (2 steps) | 0 failed | 1 ignored (5ms)".
count() {
  sed -n "s/^\(ok\|FAILED\) |.* \([0-9][0-9]*\) $1.*/\2/p" "$2" | tail -n 1
}

# Adds a finished log with its status. Deno ends well when there was nothing to run, and badly without a count when a test
# file does not load.
add() {
  tests_passed=$(count passed "$1")
  tests_failed=$(count failed "$1")
  passed=$((passed + ${tests_passed:-0}))
  failed=$((failed + ${tests_failed:-0}))
  if [ "${tests_passed:-0}" -eq 0 ]; then
    echo "No test has passed: $1"
    [ "${tests_failed:-0}" -gt 0 ] || failed=$((failed + 1))
  elif [ "$2" -ne 0 ] && [ "${tests_failed:-0}" -eq 0 ]; then
    echo "deno test failed: $1"
    failed=$((failed + 1))
  fi
}

mkdir -p build
# shellcheck disable=SC2086 # a list of paths
"$deno" test --quiet --allow-all --no-check $emulated >"$emulated_log" 2>&1 &
beside=$!
part fmt --check --quiet
part lint --quiet
part check --quiet

echo "== deno test"
{
  "$deno" test --quiet --allow-all --no-check --ignore="$(echo $emulated | tr ' ' ',')" tests
  echo $? >build/test.status
} 2>&1 | tee "$log"
wait "$beside"
status=$?
echo "== deno test $emulated"
cat "$emulated_log"
add "$log" "$(cat build/test.status)"
add "$emulated_log" "$status"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

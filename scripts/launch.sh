#!/bin/sh
# ./nanogpt: starts the program from this checkout, from any folder and through links. `make` copies this file to
# ./nanogpt. Looks for nothing outside the checkout but a deno of the right version on the PATH; exit code 125 when the
# program cannot be started.

# Set for other uses of deno, these would make it do something else than run the program.
unset COMPLETE DENO_V8_FLAGS DENO_COMPAT NODE_OPTIONS

self=$(readlink -f -- "$0") || exit 125
root=$(dirname -- "$self")
deno=$root/tools/deno/node_modules/@deno/linux-x64-glibc/deno

if [ ! -x "$deno" ]; then
  deno=$(command -v deno) || deno=
  case $([ -z "$deno" ] || "$deno" --version 2>/dev/null) in
    "deno 2.9.6 "*) ;;
    *) deno= ;;
  esac
fi
if [ -z "$deno" ] || [ ! -d "$root/node_modules" ]; then
  echo "Cannot start nanogpt: it is not built yet; run \"make\" in $root first" >&2
  exit 125
fi

export DENO_DIR="$root/.deno_dir" DENO_NO_UPDATE_CHECK=1 NANOGPT_EXE="$self"
exec "$deno" run --quiet --allow-all --no-prompt --config "$root/deno.json" "$root/main.ts" "$@"

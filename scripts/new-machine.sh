#!/bin/sh
# From a fresh machine, with a GPU or without, to a run: checks the file and the machine, fetches the data, trains. Needs
# this script and the one file nanogpt beside it or one folder above. Safe to run again: what is there stays, and the run
# goes on from its newest checkpoint.
#
#   new-machine.sh [OPTION OF TRAIN]...     NANOGPT=/path/nanogpt PRESET=... SHARDS=... OUT=... new-machine.sh
#
# PRESET  configuration (speedrun-2024-11-19); those of builtin: data, sample and tiny, fetch nothing
# SHARDS  training shards of 100M tokens to fetch (10: what the record reads)
# OUT     folder of the run (runs/PRESET)

set -eu

here=$(dirname -- "$(readlink -f -- "$0")")
for file in "$here/nanogpt" "$here/../nanogpt"; do
  [ -n "${NANOGPT-}" ] || [ ! -x "$file" ] || NANOGPT=$file
done
if [ -z "${NANOGPT-}" ]; then
  echo "Cannot find nanogpt beside $0 or above it; give its path as NANOGPT" >&2
  exit 1
fi
PRESET=${PRESET:-speedrun-2024-11-19}
OUT=${OUT:-runs/$PRESET}

"$NANOGPT" --verify-install
"$NANOGPT" info || true # told; its verdict is about the sample preset in this folder, which is not what runs here

case $PRESET in
  sample | tiny) ;;
  *) "$NANOGPT" data fineweb10B "${SHARDS:-10}" ;;
esac

exec "$NANOGPT" train --preset "$PRESET" --out "$OUT" --resume auto "$@"

#!/bin/sh
# make demo: trains the sample preset on the built-in corpus, then shows its validation loss, where the run lies, whether
# its losses follow the stored curve, and a paragraph that the model wrote; fails if they do not follow it. Run from the
# root of the project, after `make nanogpt`.

run=runs/demo-$(date -u +%Y%m%d-%H%M%S)
./nanogpt train --preset sample --out "$run" || exit

checkpoint=$(ls -d "$run"/checkpoints/step-* | tail -n 1)
loss=$(sed -n 's/.*val_loss:\([0-9.]*\).*/\1/p' "$run/log.txt" | tail -n 1)
echo
echo "Validation loss: $loss"
echo "The run: $run (config.json, log.txt, metrics.jsonl, checkpoints)"
echo
echo "Against the stored curve of another implementation:"
./nanogpt check --curve tests/golden/sample-curve.json "$run"
verdict=$?
echo
echo "The model wrote:"
echo
./nanogpt sample "$checkpoint" --tokens 120 --seed 1 || exit
echo
exit "$verdict"

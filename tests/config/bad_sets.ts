// Wrong configurations as --set gives them, with the one complaint about each: for the tests of the loader and of the
// command line.

/** What --set gives and the one complaint about it. */
export const BAD_SETS: Record<string, [string[], string]> = {
  "misspelt key": [["model.layer=6"], 'model.layer (--set): unknown key, did you mean "model.layers"?'],
  "misspelt long key": [
    ["data.sequenceLenght=8"],
    'data.sequenceLenght (--set): unknown key, did you mean "data.sequenceLength"?',
  ],
  "key of another section": [
    ["data.window=8"],
    'data.window (--set): unknown key, did you mean "model.window"?',
  ],
  "key without its section": [["layers=8"], 'layers (--set): unknown key, did you mean "model.layers"?'],
  "misspelt section": [["modle.layers=8"], 'modle.layers (--set): unknown key, did you mean "model.layers"?'],
  "key like nothing": [
    ["schedule.zzzzzz=8"],
    "schedule.zzzzzz (--set): unknown key, known here: steps, warmupSteps, warmdownSteps",
  ],
  "inherited name": [
    ["schedule.constructor=8"],
    "schedule.constructor (--set): unknown key, known here: steps, warmupSteps, warmdownSteps",
  ],
  "no value": [["model.layers"], 'model.layers (--set): found no "=", expected key.path=value'],
  "a section": [
    ["schedule=1"],
    "schedule (--set): a section, expected one of its keys: " +
    "schedule.steps, schedule.warmupSteps, schedule.warmdownSteps",
  ],
  "preset by --set": [["preset=tiny"], "preset (--set): a preset is chosen by --preset or in config.json"],
  "text for a number": [
    ["model.dim=wide"],
    'model.dim (--set): found "wide", expected a whole number from 2 to 32767',
  ],
  "nothing for a number": [
    ["model.dim="],
    'model.dim (--set): found "", expected a whole number from 2 to 32767',
  ],
  "not a number": [
    ["optim.muonLr=NaN"],
    'optim.muonLr (--set): found "NaN", expected a number from 0 to 1000',
  ],
  "infinity": [
    ["optim.muonLr=1e999"],
    'optim.muonLr (--set): found "1e999", expected a number from 0 to 1000',
  ],
  "half a layer": [
    ["model.layers=2.5"],
    "model.layers (--set): found 2.5, expected an even whole number from 2 to 1024",
  ],
  "odd number of layers": [
    ["model.layers=3"],
    "model.layers (--set): found 3, expected an even whole number from 2 to 1024",
  ],
  "no layers": [
    ["model.layers=0"],
    "model.layers (--set): found 0, expected an even whole number from 2 to 1024",
  ],
  "no heads": [["model.heads=0"], "model.heads (--set): found 0, expected a whole number from 1 to 1024"],
  "dim not divisible by heads": [
    ["model.dim=255"],
    "model.dim (--set): found 255, expected a multiple of model.heads (2)",
  ],
  "odd head width": [
    ["model.dim=254"],
    "model.dim (--set): found 254, expected an even head width: dim / heads, with model.heads 2, a multiple of 2",
  ],
  "vocabulary too large for 16 bits": [
    ["model.vocab=65537"],
    "model.vocab (--set): found 65537, expected a whole number from 2 to 65536",
  ],
  "head wider than the kernels take": [
    ["model.dim=1024"],
    "model.heads (preset sample): found 2, expected heads at most 256 wide: at least 4 with model.dim 1024",
  ],
  "eos outside the vocabulary": [
    ["model.eos=50304"],
    "model.eos (--set): found 50304, expected a token below model.vocab (50304)",
  ],
  "vocabulary below eos": [
    ["model.vocab=50256"],
    "model.eos (preset sample): found 50256, expected a token below model.vocab (50256)",
  ],
  "window 0": [
    ["model.window=0"],
    "model.window (--set): found 0, expected a whole number from 1 to 1000000000",
  ],
  "softcap 0": [
    ["model.softcap=0"],
    "model.softcap (--set): found 0, expected a number above 0, at most 1000000",
  ],
  "normEps 0": [["model.normEps=0"], "model.normEps (--set): found 0, expected a number above 0, at most 1"],
  "sequence length 0": [
    ["data.sequenceLength=0"],
    "data.sequenceLength (--set): found 0, expected a whole number from 1 to 1000000000",
  ],
  "batch not divisible": [
    ["data.batchSequences=3"],
    "data.batchSequences (--set): found 3, expected a multiple of data.deviceBatchSequences (2)",
  ],
  "microbatch 0": [
    ["data.deviceBatchSequences=0"],
    "data.deviceBatchSequences (--set): found 0, expected a whole number from 1 to 1000000",
  ],
  "validation not of whole sequences": [
    ["data.valTokens=2049"],
    "data.valTokens (--set): found 2049, expected a multiple of data.sequenceLength (2048)",
  ],
  "microbatch beyond 32 bits": [
    [
      "data.sequenceLength=1000000000",
      "data.valTokens=1000000000",
      "data.batchSequences=4",
      "data.deviceBatchSequences=4",
    ],
    "data.deviceBatchSequences (--set): found 4, expected at most 4194303 tokens in a microbatch " +
    "(what kernels can count with model.vocab 50304 and model.dim 256), of sequences of 1000000000",
  ],
  "microbatch whose widest activation is beyond 32 bits": [
    ["model.dim=1024", "model.heads=8", "data.deviceBatchSequences=512", "data.batchSequences=512"],
    "data.deviceBatchSequences (--set): found 512, expected at most 1048575 tokens in a microbatch " +
    "(what kernels can count with model.vocab 50304 and model.dim 1024), of sequences of 2048",
  ],
  "microbatch that the embedding's gradient cannot count": [
    ["model.dim=64", "data.deviceBatchSequences=3048", "data.batchSequences=3048"],
    "data.deviceBatchSequences (--set): found 3048, expected at most 6241152 tokens in a microbatch " +
    "(what kernels can count with model.vocab 50304 and model.dim 64), of sequences of 2048",
  ],
  "matrix beyond 32 bits": [
    ["model.dim=32768", "model.heads=128"],
    "model.dim (--set): found 32768, expected a whole number from 2 to 32767",
  ],
  "more threads than a pool holds": [
    ["device.threads=1025"],
    "device.threads (--set): found 1025, expected a whole number from 0 to 1024",
  ],
  "no data": [["data.train="], 'data.train (--set): found "", expected text that is not empty'],
  "momentum 1": [
    ["optim.momentumEnd=1"],
    "optim.momentumEnd (--set): found 1, expected a number from 0 to below 1",
  ],
  "negative momentum": [
    ["optim.momentumStart=-0.1"],
    "optim.momentumStart (--set): found -0.1, expected a number from 0 to below 1",
  ],
  "beta 1": [["optim.beta1=1"], "optim.beta1 (--set): found 1, expected a number from 0 to below 1"],
  "beta above 1": [
    ["optim.beta2=1.5"],
    "optim.beta2 (--set): found 1.5, expected a number from 0 to below 1",
  ],
  "adamEps 0": [["optim.adamEps=0"], "optim.adamEps (--set): found 0, expected a number above 0, at most 1"],
  "negative rate": [
    ["optim.embedLr=-1"],
    "optim.embedLr (--set): found -1, expected a number from 0 to 1000",
  ],
  "no Newton-Schulz steps": [
    ["optim.nsSteps=0"],
    "optim.nsSteps (--set): found 0, expected a whole number from 1 to 100",
  ],
  "no steps": [
    ["schedule.steps=0"],
    "schedule.steps (--set): found 0, expected a whole number from 1 to 1000000000",
  ],
  "negative warm-down": [
    ["schedule.warmdownSteps=-1"],
    "schedule.warmdownSteps (--set): found -1, expected a whole number from 0 to 1000000000",
  ],
  "seed beyond exact numbers": [
    ["run.seed=9007199254740993"],
    "run.seed (--set): found 9007199254740992, expected a whole number from 0 to 9007199254740991",
  ],
  "no checkpoints kept": [
    ["run.keepCheckpoints=0"],
    "run.keepCheckpoints (--set): found 0, expected a whole number from 1 to 1000000",
  ],
  "neither true nor false": [
    ["run.deterministic=yes"],
    'run.deterministic (--set): found "yes", expected true or false',
  ],
  "unknown device": [
    ["device.kind=gpu"],
    'device.kind (--set): found "gpu", expected one of auto, cpu, cuda, emulated, reference',
  ],
  "unknown precision": [
    ["device.precision=fp16"],
    'device.precision (--set): found "fp16", expected one of fp32, bf16',
  ],
};

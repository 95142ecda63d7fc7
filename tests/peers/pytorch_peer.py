"""Times PyTorch on the work of the bench's workload train-124m: forward and backward of one microbatch of a GPT-2-class
model (4 sequences of 1,024 tokens, causal), and one optimiser step. The recipe as a PyTorch user would write it, with
float32 parameters and, in bf16, activations and Newton-Schulz iterations of that type. Needs torch and nothing else.

Alone it prints one JSON line that describes it and one a run, as {"what": "eager", "seconds": 1.2}:
    python pytorch_peer.py --precision bf16 --runs 3
With --serve it makes a run for each line of standard input (a variant's name, or "update"), so that the runs of two
programs can alternate: nanogpt bench train-124m --peer python
"""

import argparse
import dataclasses
import json
import math
import os
import sys
import time

import torch
import torch.nn.functional as F


@dataclasses.dataclass
class Model:
    """The record's model; a smaller one serves to warm up and to try the script."""

    vocab: int = 50304
    layers: int = 12
    heads: int = 6
    dim: int = 768
    softcap: float = 30.0
    rope_base: float = 10000.0
    norm_eps: float = 0.0078125


def make_parameters(m):
    """Float32 parameters by name. Nothing is zero, as in the middle of a run."""
    uniform = lambda rows, columns: (2 * torch.rand(rows, columns) - 1) / math.sqrt(columns)
    parameters = {"embed.weight": torch.randn(m.vocab, m.dim)}
    for i in range(m.layers):
        p = f"blocks.{i}."
        for name in ("attn.q", "attn.k", "attn.v", "attn.proj"):
            parameters[p + name + ".weight"] = uniform(m.dim, m.dim)
        parameters[p + "attn.value_mix"] = torch.full((1,), 0.5)
        parameters[p + "residual_mix"] = torch.tensor([1.0, 0.0])
        parameters[p + "mlp.up.weight"] = uniform(4 * m.dim, m.dim)
        parameters[p + "mlp.down.weight"] = uniform(m.dim, 4 * m.dim)
    parameters["skip_weights"] = torch.ones(m.layers // 2)
    parameters["head.weight"] = uniform(m.vocab, m.dim)
    return {name: value.requires_grad_(True) for name, value in parameters.items()}


def rms_norm(x, eps):
    h = x.float()
    return (h * torch.rsqrt(h.square().mean(-1, keepdim=True) + eps)).to(x.dtype)


def rotate(x, base):
    """Rotary positions of (B, T, H, D)."""
    t, d = x.shape[-3], x.shape[-1]
    frequencies = base ** (-torch.arange(0, d, 2, dtype=torch.float32) / d)
    angles = torch.arange(t, dtype=torch.float32)[:, None] * frequencies[None]
    cos, sin = angles.cos()[:, None, :], angles.sin()[:, None, :]
    a, b = x[..., : d // 2].float(), x[..., d // 2 :].float()
    return torch.cat([a * cos + b * sin, b * cos - a * sin], -1).to(x.dtype)


def loss_of(parameters, tokens, targets, m, act):
    """Mean cross-entropy of (B, T) independent causal sequences."""
    linear = lambda x, name: F.linear(x, parameters[name].to(act))
    norm = lambda x: rms_norm(x, m.norm_eps)
    x = norm(F.embedding(tokens, parameters["embed.weight"]).to(act))
    B, T, C = x.shape
    split = lambda y: y.view(B, T, m.heads, C // m.heads)
    x0, v1, skips, half = x, None, [], m.layers // 2
    for i in range(m.layers):
        p = f"blocks.{i}."
        if i >= half:
            x = x + parameters["skip_weights"][i - half].to(act) * skips.pop()
        r = parameters[p + "residual_mix"].to(act)
        x = r[0] * x + r[1] * x0
        h = norm(x)
        q, k, v = (split(linear(h, p + f"attn.{name}.weight")) for name in "qkv")
        v1 = v if v1 is None else v1
        mix = parameters[p + "attn.value_mix"].to(act)
        v = (1 - mix) * v + mix * v1
        q, k = rotate(norm(q), m.rope_base), rotate(norm(k), m.rope_base)
        heads = (y.transpose(1, 2) for y in (q, k, v))
        y = F.scaled_dot_product_attention(*heads, is_causal=True)
        x = x + linear(y.transpose(1, 2).reshape(B, T, C), p + "attn.proj.weight")
        x = x + linear(F.relu(linear(norm(x), p + "mlp.up.weight")).square(), p + "mlp.down.weight")
        if i < half:
            skips.append(x)
    z = linear(norm(x), "head.weight")
    z = (m.softcap * torch.tanh(z / m.softcap)).float()
    return F.cross_entropy(z.view(-1, z.size(-1)), targets.reshape(-1))


def newton_schulz(g, act, steps=5):
    x = g.to(act)
    x = x / (x.norm() + 1e-7)
    tall = x.size(0) > x.size(1)
    x = x.T if tall else x
    for _ in range(steps):
        s = x @ x.T
        x = 3.4445 * x + (-4.7750 * s + 2.0315 * (s @ s)) @ x
    return x.T if tall else x


class Optimiser:
    """Muon for the matrices of the blocks, Adam for the rest, with the record's rates."""

    def __init__(self, parameters, act):
        self.parameters, self.act, self.steps_done = parameters, act, 0
        self.moments = {
            name: [torch.zeros_like(p) for _ in range(1 if self.is_muon(name) else 2)]
            for name, p in parameters.items()
        }

    @staticmethod
    def is_muon(name):
        return name.startswith("blocks.") and name.endswith(".weight")

    @torch.no_grad()
    def step(self):
        self.steps_done += 1
        for name, p in self.parameters.items():
            g, moments = p.grad, self.moments[name]
            if self.is_muon(name):
                moments[0].mul_(0.95).add_(g)
                u = newton_schulz(g + 0.95 * moments[0], self.act).to(p.dtype)
                p.add_(u, alpha=-0.04 * max(1.0, p.size(0) / p.size(1)) ** 0.5)
            else:
                rate = {"embed.weight": 0.6, "head.weight": 0.008}.get(name, 0.04)
                moments[0].mul_(0.9).add_(g, alpha=0.1)
                moments[1].mul_(0.95).addcmul_(g, g, value=0.05)
                mean = moments[0] / (1 - 0.9**self.steps_done)
                square = moments[1] / (1 - 0.95**self.steps_done)
                p.sub_(rate * mean / (square.sqrt() + 1e-8))


def linear_seconds(act):
    """Time of a linear layer's forward and backward products over 256 tokens, the best of three."""
    x = torch.ones(256, 768, dtype=act, requires_grad=True)
    weight = torch.ones(768, 768, dtype=act, requires_grad=True)
    return min(timed(lambda: F.linear(x, weight).sum().backward()) for _ in range(3))


def timed(work):
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    arguments.add_argument("--precision", choices=["bf16", "fp32"], default="bf16")
    arguments.add_argument("--threads", type=int, default=0, help="0: as many as this process may use cores")
    arguments.add_argument("--variants", default="eager,compiled", help="eager, compiled or both")
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--serve", action="store_true", help="a run for each line of standard input")
    arguments.add_argument("--sequences", type=int, default=4)
    arguments.add_argument("--length", type=int, default=1024)
    arguments.add_argument("--layers", type=int, default=12, help="fewer than 12 only to try the script")
    options = arguments.parse_args()

    torch.set_num_threads(options.threads or len(os.sched_getaffinity(0)))
    torch.manual_seed(1)
    m = Model(layers=options.layers)
    act = torch.bfloat16 if options.precision == "bf16" else torch.float32
    if act == torch.bfloat16 and linear_seconds(act) > 2 * linear_seconds(torch.float32):
        # Without AVX-512 some of its bf16 products have no fast kernel: a run would take an hour. Its best counts.
        print("PyTorch's bf16 is less than half as fast as its float32 here: timing float32", file=sys.stderr)
        act = torch.float32
    parameters = make_parameters(m)
    optimiser = Optimiser(parameters, act)
    tokens = torch.randint(0, 50256, (options.sequences, options.length + 1))

    def forward_backward(loss_function, inputs=tokens):
        for p in parameters.values():
            p.grad = None
        loss_function(parameters, inputs[:, :-1], inputs[:, 1:], m, act).backward()

    loss_functions = {"eager": loss_of}
    # A short sequence warms the eager form up; the compiled one is made for one shape and needs a whole run.
    forward_backward(loss_of, tokens[:1, :129])
    if "compiled" in options.variants.split(","):
        try:
            compiled = torch.compile(loss_of, dynamic=False)
            forward_backward(compiled)
            loss_functions["compiled"] = compiled
        except Exception as error:  # a missing compiler, most often
            print(f"PyTorch cannot compile here: {error}", file=sys.stderr)
    variants = [name for name in options.variants.split(",") if name in loss_functions]
    say = lambda line: print(json.dumps(line), flush=True)
    say({
        "name": f"PyTorch {torch.__version__}",
        "variants": variants,
        "precision": "bf16" if act == torch.bfloat16 else "fp32",
        "threads": torch.get_num_threads(),
        "tokens": options.sequences * options.length,
    })

    alone = [*variants, "update"] * options.runs
    for request in sys.stdin if options.serve else alone:
        what = request.strip()
        work = optimiser.step if what == "update" else lambda: forward_backward(loss_functions[what])
        say({"what": what, "seconds": timed(work)})


if __name__ == "__main__":
    main()

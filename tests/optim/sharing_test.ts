// Who updates what among ranks: every parameter by somebody, each rank about as much as the others, and exchanges that fit.

import { assert, assertEquals } from "@std/assert";
import { elementCount } from "../../lib/base/shape.ts";
import { PRESETS } from "../../lib/config/presets.ts";
import { parameterSpecs } from "../../lib/model/parameters.ts";
import { exchanges, shareOut } from "../../lib/optim/sharing.ts";

const RECORD = parameterSpecs(PRESETS["speedrun-2024-11-19"].values.model);
const NAMES = { scalars: "scalars", flags: "flags" };

Deno.test("one rank updates everything and exchanges nothing", () => {
  for (const [i, share] of shareOut(RECORD, 1).entries()) {
    const isMatrix = RECORD[i]?.rate === "muonLr";
    assertEquals(share, isMatrix ? { by: "owner", owner: 0 } : { by: "everyone" });
  }
  assertEquals(exchanges(RECORD, NAMES, 1), undefined);
});

Deno.test("eight ranks share the record's matrices out evenly, and its tables in eighths", () => {
  const shares = shareOut(RECORD, 8);
  const counts = Array.from({ length: 8 }, () => ({ square: 0, long: 0 }));
  for (const [i, { name, shape, rate }] of RECORD.entries()) {
    const share = shares[i];
    const count = elementCount(shape);
    if (rate === "muonLr") {
      assert(share?.by === "owner", name);
      const owned = counts[share.owner];
      assert(owned, name);
      owned[shape[0] === shape[1] ? "square" : "long"]++;
    } else if (count > 1000) assertEquals(share, { by: "parts", count: count / 8 }, name);
    else assertEquals(share, { by: "everyone" }, name);
  }
  // 48 squares and 24 four times as long.
  assertEquals(counts, Array.from({ length: 8 }, () => ({ square: 6, long: 3 })));
});

Deno.test("a table that does not divide is updated by every rank, a matrix by one of them however many there are", () => {
  for (const ranks of [5, 7, 100]) {
    const shares = shareOut(RECORD, ranks);
    const owners = shares.flatMap((share) => share.by === "owner" ? [share.owner] : []);
    assertEquals(owners.length, 72);
    assert(owners.every((owner) => owner >= 0 && owner < ranks));
    assertEquals(new Set(owners).size, Math.min(72, ranks));
    assertEquals(shares.filter(({ by }) => by === "parts"), [], `${ranks} ranks`);
  }
});

Deno.test("a gradient is summed where the parameter is updated, and from there the parameter goes to all", () => {
  const shares = shareOut(RECORD, 8);
  const exchange = exchanges(RECORD, NAMES, 8);
  assert(exchange);
  const { gradients, before, after } = exchange;
  assertEquals(before, [{ kind: "allReduce", tensor: "scalars", op: "max" }]);
  assertEquals(after.at(-1), { kind: "allReduce", tensor: "flags", op: "sum" });
  const parameters = after.slice(0, -1);
  assertEquals(gradients.length, RECORD.length);
  for (const [i, { name }] of RECORD.entries()) {
    const share = shares[i];
    const [gradient, parameter] = [
      gradients.filter(({ tensor }) => tensor === `grad.${name}`),
      parameters.filter(({ tensor }) => tensor === name),
    ];
    if (share?.by === "owner") {
      assertEquals(gradient, [{ kind: "reduce", tensor: `grad.${name}`, root: share.owner }]);
      assertEquals(parameter, [{ kind: "share", tensor: name, root: share.owner }]);
    } else if (share?.by === "parts") {
      assertEquals(gradient, [{ kind: "reduceScatter", tensor: `grad.${name}` }]);
      assertEquals(parameter, [{ kind: "allGather", tensor: name }]);
    } else {
      assertEquals(gradient, [{ kind: "allReduce", tensor: `grad.${name}`, op: "sum" }]);
      assertEquals(parameter, []);
    }
  }
});

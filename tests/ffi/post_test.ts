// Downloads that are collected later, on the emulated GPU whose work is done as late as a wait allows, and through the cpu's
// library: what a post gives is what the work before it left, and its collect waits for nothing after it. Also what guards
// an update: after a loss that is not finite adam, nesterov and apply_update change nothing, on every device.

import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Device, TensorRef } from "../../ffi/device.ts";
import { addressOf, openLibrary, textIn } from "../../ffi/native.ts";
import { ReferenceDevice } from "../../ffi/reference/device.ts";
import { InternalError, RunError } from "../../lib/base/errors.ts";
import { decodeValues, encodeValues } from "../../lib/run/executor.ts";
import { cpuSets, openSet } from "./cpu_sets.ts";
import { NO_EMULATED, openEmulated } from "./gpu_devices.ts";

/** A seed of the kind that does only what a wait needs. */
const LATE = 1;
const f32 = { dtype: "f32" } as const;

/** A late emulated GPU with memory for four tensors of 16 float32; `fill` enqueues a fill of the first. */
function onLateGpu(body: (gpu: Late) => void): void {
  const device = openEmulated({ seed: LATE });
  const memory = device.allocate(256);
  try {
    device.sync();
    const fill = (value: number) =>
      device.bind("nanogpt_fill", memory, [{ offset: 0, count: 16, ...f32 }], [16, 0, value])();
    const post = (offset: number, bytes: number) => memory.post?.(offset, bytes) ?? (() => new Uint8Array());
    body({ device, fill, post, upload: (value) => memory.upload(0, encodeValues(f32, [value])) });
  } finally {
    memory.free();
    device.close();
  }
}

interface Late {
  readonly device: ReturnType<typeof openEmulated>;
  readonly fill: (value: number) => void;
  readonly upload: (value: number) => void;
  readonly post: (offset: number, bytes: number) => () => Uint8Array<ArrayBuffer>;
}

Deno.test(
  "a post gives what the work before it left, whatever follows",
  { ignore: NO_EMULATED },
  () =>
    onLateGpu(({ device, fill, upload, post }) => {
      const before = device.waits();
      const collects = [3, 4, 5].map((value) => {
        fill(value);
        return post(0, 64);
      });
      upload(9);
      assertEquals(device.waits(), before, "neither a post nor an upload waits");
      const read = (i: number) => [...decodeValues(f32, collects[i]?.() ?? new Uint8Array())];
      assertEquals(read(2), new Array(16).fill(5));
      assertEquals(device.waits(), before + 1);
      assertEquals([read(0), read(1)], [3, 4].map((value) => new Array(16).fill(value)));
      assertEquals(device.waits(), before + 1, "what lies before has ended too");
      assertThrows(() => read(0), RunError, "There is no post to collect by the ticket");
    }),
);

Deno.test(
  "a collect does not wait for what was enqueued after its post",
  { ignore: NO_EMULATED },
  () =>
    onLateGpu(({ device, fill, post }) => {
      fill(1);
      const first = post(0, 4);
      for (let i = 0; i < 40; i++) fill(2);
      first();
      const before = device.waits();
      device.sync();
      assert(device.waits() > before, "something was left to wait for");
    }),
);

Deno.test(
  "uploads go on while those before are still to be copied",
  { ignore: NO_EMULATED },
  () =>
    onLateGpu(({ device, fill, upload }) => {
      fill(1);
      const before = device.waits();
      for (let i = 0; i < 60; i++) upload(i);
      assertEquals(device.waits(), before);
      for (let i = 0; i < 200; i++) upload(i);
      assert(device.waits() > before, "pinned memory has an end");
    }),
);

Deno.test("a post is refused in a graph, without bytes and of too many; slots serve again", {
  ignore: NO_EMULATED,
}, () =>
  onLateGpu(({ device, fill, post }) => {
    const said = "A post takes an address for its ticket, one to copy from and 1 to 65536 bytes";
    assertThrows(() => post(0, 0), RunError, said);
    const much = device.allocate(1 << 17);
    assertThrows(() => much.post?.(0, 65537), RunError, said);
    assertEquals(much.post?.(256, 65536)(), new Uint8Array(65536));
    much.free();
    assertThrows(() => post(255, 2), InternalError, "leaves device memory of 256 bytes");
    assertThrows(
      () => device.capture([() => fill(1), () => void post(0, 4)]),
      RunError,
      "A graph is being recorded, which cannot hold a post",
    );
    for (let i = 0; i < 1000; i++) {
      if (i % 100 === 0) fill(i);
      assertEquals(decodeValues(f32, post(0, 4)())[0], i - i % 100);
    }
  }));

Deno.test(
  "a collect tells what kernels before its post found in their input",
  { ignore: NO_EMULATED },
  () =>
    onLateGpu(({ device, fill, post }) => {
      const memory = device.allocate(768);
      const refs: TensorRef[] = [{ offset: 0, count: 4, ...f32 }, { offset: 256, count: 8, ...f32 }, {
        offset: 512,
        count: 2,
        dtype: "i32",
      }];
      memory.upload(512, encodeValues({ dtype: "i32" }, [1, 4]));
      fill(7);
      const good = post(0, 4);
      device.bind("nanogpt_embed", memory, refs, [2, 2, 4, 0])();
      const bad = post(0, 4);
      assertEquals(decodeValues(f32, good())[0], 7);
      assertThrows(bad, RunError, "A kernel met a token outside 0..3: found 4 at position 1");
      assertEquals(decodeValues(f32, post(0, 4)())[0], 7, "told once");
      memory.free();
    }),
);

const SETS = cpuSets();

Deno.test("the cpu's library copies at once, and knows its tickets", { ignore: SETS.length === 0 }, () => {
  const library = openLibrary(SETS[0]?.library ?? "", "kernels");
  const call = (symbol: string, ...args: (bigint | number)[]) => library.functionOf(symbol)(...args);
  const [context, ticket] = [new BigUint64Array(1), new BigUint64Array(1)];
  const text = new Uint8Array(1024);
  assertEquals(call("nanogpt_context_create", addressOf(context), addressOf(text), 1, 0, 0, 0), 0);
  const c = context[0] ?? 0n;
  const said = () => {
    call("nanogpt_last_error", c, addressOf(text), text.length);
    return textIn(text);
  };
  const [source, found] = [Uint8Array.of(1, 2, 3), new Uint8Array(3)];
  assertEquals(call("nanogpt_post", c, addressOf(ticket), addressOf(source), 3), 0);
  source.fill(9);
  const first = ticket[0] ?? 0n;
  assertEquals(call("nanogpt_collect", c, addressOf(found), first), 0);
  assertEquals([...found], [1, 2, 3]);
  for (const wrong of [first, 0n, 12345n]) {
    assertEquals(call("nanogpt_collect", c, addressOf(found), wrong), 1);
    assertEquals(said(), `There is no post to collect by the ticket ${wrong}, or no longer`);
  }
  for (const bytes of [0, 65537, NaN]) {
    assertEquals(call("nanogpt_post", c, addressOf(ticket), addressOf(source), bytes), 1);
  }
  for (let i = 0; i < 65536; i++) call("nanogpt_post", c, addressOf(ticket), addressOf(source), 1);
  assertEquals(call("nanogpt_post", c, addressOf(ticket), addressOf(source), 1), 1);
  assertEquals(said(), "There are 65536 posts that nobody has collected; collect some first");
  call("nanogpt_context_destroy", c);
  library.close();
});

/** Every device that computes, with the type of its numbers. */
function computing(): { name: string; device: Device; dtype: "f32" | "f64" }[] {
  const natives = SETS.map((set) => ({ name: set.isa, device: openSet(set, 2), dtype: "f32" as const }));
  const gpu = NO_EMULATED ? [] : [{ name: "emulated", device: openEmulated(), dtype: "f32" as const }];
  return [{ name: "reference", device: new ReferenceDevice(), dtype: "f64" }, ...natives, ...gpu];
}

Deno.test("after a loss that is not finite no update changes anything, until the scalars say otherwise", () => {
  const count = 5000, HALT = 4;
  for (const { name, device, dtype } of computing()) {
    const tensor = (slot: number, count: number) => ({ offset: slot * 65536, count, dtype });
    const memory = device.allocate(8 * 65536);
    const [scalars, loss, flags] = [tensor(0, 8), tensor(1, 1), tensor(2, 2)];
    const [p, m, v, g, u] = [3, 4, 5, 6, 7].map((slot) => tensor(slot, count));
    assert(p && m && v && g && u);
    const write = (ref: TensorRef, values: number[]) => memory.upload(ref.offset, encodeValues(ref, values));
    const image = () => {
      const bytes = new Uint8Array(memory.bytes);
      memory.download(0, bytes);
      return bytes;
    };
    const updates = [
      device.bind("nanogpt_adam", memory, [p, m, v, flags, g, scalars], [count, 0, 1, 0.1, 0.9, 0.95, 1e-8]),
      device.bind("nanogpt_nesterov", memory, [m, u, flags, g, scalars], [count, 0, 1, 0]),
      device.bind("nanogpt_apply_update", memory, [p, u, scalars], [count, 1, 0, 0.5]),
    ];
    const guard = device.bind("nanogpt_guard", memory, [scalars, loss], []);
    const haltedBy = (value: number) => {
      write(loss, [value]);
      guard();
      const bytes = new Uint8Array(8 * (dtype === "f32" ? 4 : 8));
      memory.download(0, bytes);
      return [...decodeValues(scalars, bytes)];
    };
    write(scalars, [0.5, 0.75, 1, 1, 0, 0, 0, 0]);
    for (const ref of [p, m, v, g, u]) {
      write(ref, Array.from({ length: count }, (_, i) => 1 + i % 7 + ref.offset / 65536));
    }
    for (const finite of [3, 0, -1e30]) assertEquals(haltedBy(finite), [0.5, 0.75, 1, 1, 0, 0, 0, 0], name);
    for (const bad of [NaN, Infinity, -Infinity]) {
      write(scalars, [0.5, 0.75, 1, 1, 0, 0, 0, 0]);
      assertEquals(haltedBy(bad), [0.5, 0.75, 1, 1, 1, 0, 0, 0], name);
      assertEquals(haltedBy(3), [0.5, 0.75, 1, 1, 1, 0, 0, 0], `${name}: it lasts`);
    }
    // What makes a spoiled step: gradients that would spread.
    write(g, Array.from({ length: count }, (_, i) => i % 3 === 0 ? NaN : Infinity));
    const halted = image();
    for (const update of updates) {
      update();
      assertEquals(image(), halted, name);
    }
    write({ ...scalars, offset: HALT * (dtype === "f32" ? 4 : 8) }, [0]);
    write(g, new Array(count).fill(1));
    for (const update of updates) {
      const before = image();
      update();
      assert(image().some((byte, i) => byte !== before[i]), `${name}: an update that is not halted`);
    }
    memory.free();
    device.close();
  }
});

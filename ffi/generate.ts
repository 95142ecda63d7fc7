// Writes everything that restates the C boundary, from its one statement kernels/abi.h: ffi/symbols.ts (for Deno.dlopen),
// kernels/cpu/kernels.h (one declaration of each op per instruction set) and kernels/cpu/dispatch.cpp (the exported functions).
// Run from the root of the project: `deno run --allow-read --allow-write ffi/generate.ts [--check]`; --check writes nothing
// and fails when an output is stale. Refuses any C that is not a #define of a number or a prototype of the known types.
// May import nothing but lib/base.

import { InternalError } from "../lib/base/errors.ts";

const SOURCE = "kernels/abi.h";

/** The C types that may cross the boundary, and what Deno calls them. */
const FFI_TYPES: Readonly<Record<string, string>> = {
  uint64_t: "u64",
  uint32_t: "u32",
  int32_t: "i32",
  double: "f64",
};

/** Functions that context.cpp and group.cpp define once; all others are ops, compiled once per instruction set. */
const CONTEXT_FUNCTIONS = new Set(
  [
    ...["abi_version", "context_create", "context_destroy", "last_error", "describe", "alloc", "free"],
    ...["upload", "download", "sync", "graph_begin", "graph_end", "graph_launch", "graph_free", "schedule"],
    ...["post", "collect", "waits", "open_cublaslt", "selftest", "device_count", "group_id", "group_join"],
    ...["all_reduce", "reduce", "reduce_scatter", "all_gather", "share", "group_wait"],
  ],
);

/** The instruction sets beside "portable", in rising order; all are x86-64. */
const X86_SETS = ["avx2", "avx512", "avx512bf16", "amx"];

interface Parameter {
  readonly type: string;
  readonly name: string;
}

interface Prototype {
  readonly result: string;
  /** Name without the leading `nanogpt_`. */
  readonly name: string;
  readonly parameters: readonly Parameter[];
}

interface Header {
  readonly constants: readonly { readonly name: string; readonly value: number; readonly comment: string }[];
  readonly functions: readonly Prototype[];
}

/** Constants and prototypes of the header, in its order. Throws InternalError on a line it does not understand. */
export function parseHeader(text: string): Header {
  const constants: Header["constants"][number][] = [];
  const functions: Prototype[] = [];
  for (const line of text.split("\n")) {
    const constant = /^#define (NANOGPT_\w+) (\d+)(?:\s*\/\/ (.*))?$/.exec(line);
    if (constant) {
      const [, name = "", value = "", comment = ""] = constant;
      constants.push({ name, value: Number(value), comment: comment.replace(/\s+/g, " ") });
      continue;
    }
    if (/^(\/\/.*|#(ifndef|define NANOGPT_ABI_H|include|ifdef|endif).*|extern "C" \{|\}|)$/.test(line)) {
      continue;
    }
    functions.push(parsePrototype(line));
  }
  return { constants, functions };
}

function parsePrototype(line: string): Prototype {
  const match = /^(\w+) nanogpt_(\w+)\(([^()]*)\);$/.exec(line);
  if (!match) throw new InternalError(`${SOURCE}: expected a prototype on one line, found: ${line}`);
  const [, result = "", name = "", list = ""] = match;
  const parameters = list === "void" ? [] : list.split(", ").map((text) => {
    const [type, parameter, ...rest] = text.split(" ");
    if (!type || !parameter || rest.length > 0 || !FFI_TYPES[type]) {
      throw new InternalError(`${SOURCE}: nanogpt_${name}: expected a known type and a name, found: ${text}`);
    }
    return { type, name: parameter };
  });
  if (!FFI_TYPES[result]) {
    throw new InternalError(`${SOURCE}: nanogpt_${name}: unknown result type ${result}`);
  }
  return { result, name, parameters };
}

function parameterList(f: Prototype): string {
  return f.parameters.map((p) => `${p.type} ${p.name}`).join(", ") || "void";
}

function symbolsText({ constants, functions }: Header): string {
  const lines = [
    `// The C boundary as Deno.dlopen wants it: generated from ${SOURCE} by \`deno task symbols\`; do not edit.`,
    "// Above each function its C prototype; beside each parameter its C name. Addresses (u64) are BigInts, sizes (u32) and",
    "// scalars (f64) are numbers. What each function does, and its limits, is stated in the header. Imports nothing.",
    "// deno-fmt-ignore-file",
    "",
    ...constants.map((c) => `export const ${c.name} = ${c.value};${c.comment ? ` // ${c.comment}` : ""}`),
    "",
    "export const SYMBOLS = {",
  ];
  for (const f of functions) {
    const types = f.parameters.map((p) => `"${FFI_TYPES[p.type]}" /* ${p.name} */`).join(", ");
    lines.push(`  // ${f.result} nanogpt_${f.name}(${parameterList(f)})`);
    lines.push(`  nanogpt_${f.name}: { parameters: [${types}], result: "${FFI_TYPES[f.result]}" },`);
  }
  lines.push("} as const satisfies Deno.ForeignLibraryInterface;", "");
  return lines.join("\n");
}

function isOp(f: Prototype): boolean {
  return !CONTEXT_FUNCTIONS.has(f.name);
}

function declarationsText({ functions }: Header): string {
  const ops = functions.filter(isOp);
  return [
    `// Every op in the namespace of one instruction set: generated from ${SOURCE} by \`deno task symbols\`; do not edit.`,
    "// Included by the op files, which define these, and by dispatch.cpp, which includes it once per instruction set.",
    "// The name is the exported one without `nanogpt_`. May include only the C++ standard library.",
    "#include <cstdint>",
    "",
    "namespace nanogpt::NANOGPT_ISA_NAMESPACE {",
    "",
    ...ops.map((f) => `${f.result} ${f.name}(${parameterList(f)});`),
    "",
    "}  // namespace nanogpt::NANOGPT_ISA_NAMESPACE",
    "",
  ].join("\n");
}

function dispatchText({ functions }: Header): string {
  const ops = functions.filter(isOp);
  const include = (set: string) => [
    `#define NANOGPT_ISA_NAMESPACE ${set}`,
    '#include "kernels.h"',
    "#undef NANOGPT_ISA_NAMESPACE",
  ];
  const table = (set: string) =>
    `const Kernels ${set}_kernels = {${ops.map((f) => `${set}::${f.name}`).join(", ")}};`;
  return [
    `// The exported ops, each calling its context's instruction set: generated from ${SOURCE} by \`deno task symbols\`; do`,
    "// not edit. Compiled once. Computes nothing: an exception that a kernel lets out ends here, as a status and an error",
    "// text. May include only context.h and kernels.h.",
    '#include "context.h"',
    "#include <exception>",
    "#include <new>",
    ...include("portable"),
    "#if defined(__x86_64__)",
    ...X86_SETS.flatMap(include),
    "#endif",
    "",
    "namespace nanogpt {",
    "namespace {",
    "",
    "struct Kernels {",
    ...ops.map((f) => `  ${f.result} (*${f.name})(${parameterList(f)});`),
    "};",
    "",
    table("portable"),
    "#if defined(__x86_64__)",
    ...X86_SETS.map(table),
    `const Kernels* const tables[] = {${
      ["portable", ...X86_SETS].map((set) => `&${set}_kernels`).join(", ")
    }};`,
    "#else",
    "const Kernels* const tables[] = {&portable_kernels};",
    "#endif",
    "",
    "template <class... Parameters, class... Arguments>",
    "int32_t run(uint64_t context, int32_t (*const Kernels::*op)(uint64_t, Parameters...), Arguments... arguments) {",
    "  if (context == 0) return NANOGPT_INVALID;",
    "  try {",
    "    return (tables[context_at(context).isa() - NANOGPT_ISA_PORTABLE]->*op)(context, arguments...);",
    "  } catch (const std::bad_alloc&) {",
    '    return context_at(context).fail(NANOGPT_NO_MEMORY, "The system refused memory that a kernel needs");',
    "  } catch (const std::exception& error) {",
    '    return context_at(context).fail(NANOGPT_INTERNAL, "A kernel failed: %s", error.what());',
    "  }",
    "}",
    "",
    "}  // namespace",
    "}  // namespace nanogpt",
    "",
    "using nanogpt::Kernels;",
    "using nanogpt::run;",
    "",
    ...ops.map((f) => {
      const names = f.parameters.slice(1).map((p) => p.name);
      const call = [f.parameters[0]?.name, `&Kernels::${f.name}`, ...names].join(", ");
      return `NANOGPT_EXPORT ${f.result} nanogpt_${f.name}(${parameterList(f)}) { return run(${call}); }`;
    }),
    "",
  ].join("\n");
}

/** Every generated file with the text it should have, from the header's text. */
export function generate(header: string): ReadonlyMap<string, string> {
  const parsed = parseHeader(header);
  return new Map([
    ["ffi/symbols.ts", symbolsText(parsed)],
    ["kernels/cpu/kernels.h", declarationsText(parsed)],
    ["kernels/cpu/dispatch.cpp", dispatchText(parsed)],
  ]);
}

function readOrEmpty(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/** Paths of the generated files whose text is not what the header says, under the current folder. */
function staleFiles(): string[] {
  const files = generate(Deno.readTextFileSync(SOURCE));
  return [...files].filter(([path, text]) => readOrEmpty(path) !== text).map(([path]) => path);
}

if (import.meta.main) {
  const stale = staleFiles();
  if (Deno.args.includes("--check")) {
    if (stale.length > 0) {
      console.error(`Stale: ${stale.join(", ")}; run \`deno task symbols\` after changing ${SOURCE}`);
      Deno.exit(1);
    }
  } else {
    const files = generate(Deno.readTextFileSync(SOURCE));
    for (const path of stale) Deno.writeTextFileSync(path, files.get(path) ?? "");
    console.log(
      stale.length > 0 ? `Wrote ${stale.join(", ")}` : "Nothing to do: every generated file is current",
    );
  }
}

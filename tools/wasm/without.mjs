// Makes of a shipped module one that leaves something out, so that a benchmark can tell what that
// costs. Such a module lets requests through that it should not: it is for benchmarks alone.
//
//   node tools/wasm/without.mjs SHIPPED.wasm LESS.wasm WHAT...
//
// WHAT is a function that the host offers (`proxy_set_property`): calling it does nothing and
// succeeds; or a callback of the module (`proxy_on_response_headers`): the host does not call it; or
//
//   decision   each request goes on as soon as its head is there
//   judging    the same, but the head is fetched from the host first and not looked at

import { readFileSync, writeFileSync } from "node:fs";
import binaryen from "binaryen";

const [shipped, less, ...left] = process.argv.slice(2);
if (left.length === 0) {
  console.error("usage: node tools/wasm/without.mjs SHIPPED.wasm LESS.wasm WHAT...");
  process.exit(2);
}
const { i32 } = binaryen;
const HEADERS = "proxy_on_request_headers";
const ALLOCATE = "proxy_on_memory_allocate";
const module = binaryen.readBinary(readFileSync(shipped));
const memory = module.getMemoryInfo().name;

const functions = Array.from({ length: module.getNumFunctions() }, (_, nth) =>
  binaryen.getFunctionInfo(module.getFunctionByIndex(nth)),
);
const imported = (name) => functions.find((info) => info.base === name);
const exported = (name) => {
  const reference = module.getExport(name);
  return reference ? binaryen.getExportInfo(reference).value : undefined;
};

for (const what of left) {
  if (what === "decision") {
    replaceExport(HEADERS, [i32, i32, i32], [], module.i32.const(0));
  } else if (what === "judging") {
    readOnly();
  } else if (imported(what)) {
    succeed(imported(what));
  } else if (exported(what)) {
    module.removeExport(what);
  } else {
    console.error(`without.mjs: error: ${shipped} neither imports nor exports ${what}`);
    process.exit(1);
  }
}
if (!module.validate()) {
  console.error("without.mjs: error: what came of it is no valid module");
  process.exit(1);
}
writeFileSync(less, module.emitBinary());

// Puts a function that says Ok in the place of an imported one. The clock stands still: a time is
// what its caller wants of it.
function succeed({ name, base, params, results }) {
  const body = [module.i32.const(0)];
  if (base === "proxy_get_current_time_nanoseconds") {
    const now = BigInt(Date.now()) * 1_000_000n;
    body.unshift(module.i64.store(0, 8, module.local.get(0, i32), module.i64.const(now), memory));
  }
  module.removeFunction(name);
  module.addFunction(name, params, results, [], module.block(null, body, i32));
}

function replaceExport(name, params, locals, body) {
  module.removeExport(name);
  module.addFunction(`without:${name}`, binaryen.createType(params), i32, locals, body);
  module.addFunctionExport(`without:${name}`, name);
}

// The head goes to one place again and again, so that what it takes to keep it does not count.
function readOnly() {
  const PLACE = "without:place", READS = "without:reads", SIZE = 65536;
  const allocate = exported(ALLOCATE);
  const place = () => module.global.get(PLACE, i32);
  const out = (offset) => module.i32.add(place(), module.i32.const(SIZE - offset));
  module.addGlobal(PLACE, i32, true, module.i32.const(0));
  module.addGlobal(READS, i32, true, module.i32.const(0));
  replaceExport(
    ALLOCATE,
    [i32],
    [],
    module.if(
      module.global.get(READS, i32),
      place(),
      module.call(allocate, [module.local.get(0, i32)], i32),
    ),
  );
  const prepare = module.if(
    module.i32.eqz(place()),
    module.global.set(PLACE, module.call(allocate, [module.i32.const(SIZE)], i32)),
  );
  const { name } = imported("proxy_get_header_map_pairs");
  const read = module.call(name, [module.i32.const(0), out(8), out(4)], i32);
  replaceExport(
    HEADERS,
    [i32, i32, i32],
    [],
    module.block(
      null,
      [
        prepare,
        module.global.set(READS, module.i32.const(1)),
        module.drop(read),
        module.global.set(READS, module.i32.const(0)),
        module.i32.const(0),
      ],
      i32,
    ),
  );
}

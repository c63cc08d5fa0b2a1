// Makes the module that is shipped of the one that was linked: without the exports that the filter
// has no use for, and without what only they needed.
//
//   node tools/wasm/shrink.mjs LINKED.wasm SHIPPED.wasm VERSION
//
// The SDK exports a callback for everything that a host can tell a plugin. A host calls whatever is
// exported, for each request and each connection, and each call costs time; what is not exported is
// not called. The same input gives the same bytes on every machine.

import { readFileSync, writeFileSync } from "node:fs";
import binaryen from "binaryen";

// The host's way in, and the callbacks that the filter implements: a further one in `src/` has to be
// named here as well. The SDK keeps its books in the last two.
const NEEDED = [
  "memory",
  "_initialize",
  "proxy_abi_version_0_2_1",
  "proxy_on_memory_allocate",
  "proxy_on_configure",
  "proxy_on_tick",
  "proxy_on_request_headers",
  "proxy_on_request_body",
  "proxy_on_request_trailers",
  "proxy_on_response_headers",
  "proxy_on_http_call_response",
  "proxy_on_context_create",
  "proxy_on_delete",
];

const [linked, shipped, version] = process.argv.slice(2);
if (!version) {
  console.error("usage: node tools/wasm/shrink.mjs LINKED.wasm SHIPPED.wasm VERSION");
  process.exit(2);
}
const module = binaryen.readBinary(readFileSync(linked));
const exported = Array.from(
  { length: module.getNumExports() },
  (_, nth) => binaryen.getExportInfo(module.getExportByIndex(nth)).name,
);
const missing = NEEDED.filter((name) => !exported.includes(name));
if (missing.length > 0) {
  console.error(`shrink.mjs: error: ${linked} does not export ${missing.join(", ")}`);
  process.exit(1);
}
exported.filter((name) => !NEEDED.includes(name)).forEach((name) => module.removeExport(name));
// The linker uses these whenever memory is copied or filled, also where rustc does not say so.
const { BulkMemory, BulkMemoryOpt } = binaryen.Features;
module.setFeatures(module.getFeatures() | BulkMemory | BulkMemoryOpt);
binaryen.setOptimizeLevel(2);
binaryen.setShrinkLevel(2);
// A function that is called from one place stays one if it is larger: V8 takes more than twice the
// time for one of twice the size.
binaryen.setOneCallerInlineMaxSize(500);
module.optimize();
// Sections that registries and tools of the Bytecode Alliance read (`wasm-tools metadata show`).
const text = (value) => new TextEncoder().encode(value);
module.addCustomSection("version", text(version));
module.addCustomSection("licenses", text("Apache-2.0"));
writeFileSync(shipped, module.emitBinary());

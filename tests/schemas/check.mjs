// Checks Kubernetes objects of Istio and the Gateway API by the models of @kubernetes-models: values by
// their schemas, which let unknown members pass, and members by their types, which TypeScript compares
// with what is there. Reads a JSON array of objects; prints what is wrong, a line each; exit code 1 then.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));

// The model of an object, or the reason that there is none.
function model({ apiVersion, kind }) {
  const [group] = apiVersion.split("/");
  const owner = group === "gateway.networking.k8s.io" ? "gateway-api" : "istio";
  return `@kubernetes-models/${owner}/${apiVersion}/${kind}`;
}

async function valuesOf(objects) {
  const wrong = [];
  for (const object of objects) {
    try {
      const { [object.kind]: Model } = await import(model(object));
      new Model(object).validate();
    } catch (error) {
      wrong.push(`${object.kind} ${object.metadata.name}: ${error.message}`);
    }
  }
  return wrong;
}

function membersOf(objects) {
  const folder = mkdtempSync(join(here, "node_modules", ".check-"));
  try {
    const lines = objects.map(
      (object, n) =>
        `import type { I${object.kind} as T${n} } from "${model(object)}";\n` +
        `export const ${object.kind}_${n}: T${n} = ${JSON.stringify(object)};`,
    );
    const file = join(folder, "objects.mts");
    writeFileSync(file, lines.join("\n"));
    const options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2022"];
    const tsc = join(here, "node_modules/typescript/bin/tsc");
    const done = spawnSync(process.execPath, [tsc, ...options, file], { encoding: "utf8" });
    if (done.status === 0) return [];
    return (done.stdout + done.stderr).trim().split("\n");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const objects = JSON.parse(readFileSync(0, "utf8"));
const wrong = [...(await valuesOf(objects)), ...membersOf(objects)];
if (wrong.length) console.log(wrong.join("\n"));
process.exitCode = wrong.length ? 1 : 0;

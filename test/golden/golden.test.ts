// Golden pairs: resources as YAML in, what one proxy gets as canonical JSON out. `npm run golden` writes the outcomes anew:
// read the difference before committing it. The first comments of a case name the proxy:
//   # proxy: sidecar~10.1.0.5~productpage-v1.default~default.svc.cluster.local
//   # metadata: {"LABELS": {"app": "productpage"}}
//   # sections: clusters endpoints routes

import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, it } from "node:test";
import { AnyRegistry } from "../../src/app/control/any-registry.ts";
import { type ConfigSection, configSections, configToJson } from "../../src/app/control/config-json.ts";
import { generateProxyConfig } from "../../src/envoy/generate-proxy-config.ts";
import { readResourceFile } from "../../src/resources/read-resources.ts";
import { proxyFromNode } from "../../src/snapshot/proxy-from-node.ts";
import { applyChanges, emptySnapshot } from "../../src/snapshot/snapshot.ts";
import { viewFor } from "../../src/snapshot/view-for.ts";

const defaultProxy = "sidecar~10.1.0.5~client-v1.default~default.svc.cluster.local";
const defaultSections = "clusters endpoints routes";
const rewrites = process.env.KEEPMESH_GOLDEN === "rewrite";
const cases = globSync(join(import.meta.dirname, "cases/*.in.yaml")).sort();
const registry = new AnyRegistry();

describe("golden pairs", () => {
	for (const input of cases) {
		it(basename(input, ".in.yaml"), async () => {
			const outcome = `${JSON.stringify(await generated(readFileSync(input, "utf8")), undefined, "\t")}\n`;
			const golden = input.replace(/\.in\.yaml$/, ".out.json");
			if (rewrites) writeFileSync(golden, outcome);
			assert.ok(existsSync(golden), `no ${basename(golden)}: npm run golden makes it`);
			assert.equal(outcome, readFileSync(golden, "utf8"));
		});
	}
});

async function generated(text: string): Promise<unknown> {
	const { objects, problems } = readResourceFile("case.yaml", text);
	assert.deepEqual(problems, []);
	const changes = objects.map((object) => ({ type: "objectApplied" as const, object }));
	const node = proxyFromNode({
		id: heading(text, "proxy") ?? defaultProxy,
		metadata: JSON.parse(heading(text, "metadata") ?? "{}"),
	});
	assert.ok(node.ok, node.ok ? "" : node.because);
	const view = viewFor(applyChanges(emptySnapshot(), changes).snapshot, node.proxy);
	const wanted = (heading(text, "sections") ?? defaultSections).split(/\s+/);
	const sections: readonly ConfigSection[] = configSections.filter((section) => wanted.includes(section));
	return configToJson(generateProxyConfig(node.proxy, view), registry, sections);
}

function heading(text: string, name: string): string | undefined {
	return text.match(new RegExp(`^# ${name}: (.*)$`, "m"))?.[1]?.trim();
}

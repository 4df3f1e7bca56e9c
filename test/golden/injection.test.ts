// Golden pairs: manifests in, manifests with proxies out (`keepmesh inject`). `npm run golden` writes the outcomes anew: read the
// difference before committing it. A comment `# config: {...}` gives the injection configuration. Of samples from the field only
// what was changed is kept, not their text.

import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join, relative, resolve } from "node:path";
import { describe, it } from "node:test";
import { parseAllDocuments } from "yaml";
import { defaultInjectConfig, parseInjectConfig } from "../../src/inject/inject-config.ts";
import { injectManifest } from "../../src/inject/inject-manifest.ts";
import { injectText } from "../../src/inject/inject-text.ts";
import { planJsonPatch } from "../../src/inject/json-patch.ts";

const rewrites = process.env.KEEPMESH_GOLDEN === "rewrite";
const directory = join(import.meta.dirname, "injection");
const samples = resolve(import.meta.dirname, "../../../shared/inputs/istio");
const sampleFiles = globSync(join(samples, "{bookinfo-kube,httpbin,helloworld}/*.yaml")).sort();

function assertGolden(file: string, outcome: string): void {
	const path = join(directory, file);
	if (rewrites) writeFileSync(path, outcome);
	assert.ok(existsSync(path), `no ${file}: npm run golden makes it`);
	assert.equal(outcome, readFileSync(path, "utf8"));
}

const cases = globSync(join(directory, "*.in.txt")).sort();

describe("injected manifests", () => {
	it("are there", () => assert.ok(cases.length > 0));
	for (const input of cases) {
		const name = basename(input, ".in.txt");
		it(name, () => {
			const text = readFileSync(input, "utf8");
			const heading = /^# config: (.*)$/m.exec(text)?.[1];
			const config = parseInjectConfig(JSON.parse(heading ?? "{}"));
			assert.ok(config.ok);
			const injected = injectText(text, "default", config.config);
			assert.deepEqual(injected.problems, []);
			assertGolden(`${name}.out.txt`, injected.text);
		});
	}
});

describe("samples from the field", { skip: sampleFiles.length === 0 && "there are none" }, () => {
	it("are changed in these places, and nowhere else", () => {
		const lines = sampleFiles.flatMap((file) => [
			`${relative(samples, file)}:`,
			...parseAllDocuments(readFileSync(file, "utf8")).flatMap((document) => {
				const object: unknown = document.toJS();
				const { object: injected, pods } = injectManifest(object, "default", defaultInjectConfig);
				const heads = pods.map((pod) =>
					pod.outcome === "injected" ? pod.resource : `${pod.resource} stays: ${JSON.stringify(pod)}`,
				);
				const operations = planJsonPatch(object, injected);
				return [
					...heads.map((head) => `  ${head}`),
					...operations.map(({ op, path, value }) => `    ${op} ${path}${shownValue(path, value)}`),
				];
			}),
		]);
		assertGolden("samples.txt", `${lines.join("\n")}\n`);
	});

	it("are as they were where they make no pods, and do not change a second time", () => {
		for (const file of sampleFiles) {
			const text = readFileSync(file, "utf8");
			const { pods, problems, text: once } = injectText(text, "default", defaultInjectConfig);
			assert.deepEqual(problems, [], file);
			if (pods.length === 0) assert.equal(once, text, file);
			const twice = injectText(once, "default", defaultInjectConfig);
			assert.equal(twice.text, once, file);
			assert.ok(twice.pods.every(({ outcome }) => outcome === "skipped"));
		}
	});
});

/** Short values are told; of containers their names. */
function shownValue(path: string, value: unknown): string {
	if (/Containers?$/.test(path)) return ` ${(value as { readonly name: string }[]).map(({ name }) => name).join(" ")}`;
	const text = JSON.stringify(value) ?? "";
	return text.length <= 60 ? ` ${text}` : "";
}

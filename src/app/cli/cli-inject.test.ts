import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { parseAllDocuments } from "yaml";
import { keepmesh } from "./cli.testing.ts";

const service = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n";
const pod = (annotations = "{}"): string =>
	`apiVersion: v1\nkind: Pod\nmetadata: {name: web, annotations: ${annotations}}\nspec:\n  containers:\n  - {name: web, image: web}\n`;

interface PrintedPod {
	readonly kind: string;
	readonly spec: { readonly initContainers?: readonly { readonly name: string; readonly image: string }[] };
}

describe("keepmesh inject", () => {
	const directory = mkdtempSync(join(tmpdir(), "keepmesh-inject-"));
	after(() => rmSync(directory, { recursive: true }));
	const file = (name: string, text: string): string => {
		writeFileSync(join(directory, name), text);
		return join(directory, name);
	};

	it("prints all objects, with a proxy in every pod", async () => {
		const { code, stderr, stdout } = await keepmesh(["inject", "-f", "-", "--image", "mine:1"], {
			stdin: `${service}---\n${pod()}`,
		});
		assert.deepEqual([code, stderr], [0, ""]);
		assert.ok(stdout.startsWith(service));
		const [, printed] = parseAllDocuments(stdout).map((document) => document.toJS() as PrintedPod);
		assert.deepEqual(
			printed?.spec.initContainers?.map(({ name, image }) => [name, image]),
			[["istio-proxy", "mine:1"]],
		);
	});

	it("keeps the documents of several files apart", async () => {
		const { stdout } = await keepmesh(["inject", "-f", file("a.yaml", service), file("b.yaml", pod())]);
		const kinds = parseAllDocuments(stdout).map((document) => (document.toJS() as PrintedPod).kind);
		assert.deepEqual(kinds, ["Service", "Pod"]);
	});

	it("prints nothing when a pod cannot be injected, and says why", async () => {
		const wrong = pod('{sidecar.istio.io/logLevel: "loud"}');
		const { code, stderr, stdout } = await keepmesh(["inject", "-f", "-"], { stdin: `${pod()}---\n${wrong}` });
		assert.deepEqual([code, stdout], [65, ""]);
		assert.match(stderr, /Pod default\/web: annotation sidecar.istio.io\/logLevel: "loud" is none of/);
	});

	it("says which pods stay as they are, and warns of what has no effect", async () => {
		const refused = pod('{sidecar.istio.io/inject: "false"}');
		const odd = pod("{sidecar.istio.io/bootstrapOverride: x}");
		const { code, stderr, stdout } = await keepmesh(["inject", "-f", "-"], { stdin: `${refused}---\n${odd}` });
		assert.equal(code, 0);
		assert.ok(stdout.startsWith(refused));
		assert.match(stderr, /stays as it is: its annotation sidecar.istio.io\/inject is "false"/);
		assert.match(stderr, /bootstrapOverride has no effect/);
	});

	it("takes the webhook's configuration, and tells all that is wrong with it", async () => {
		const config = file("config.yaml", "revision: r2\nnativeSidecars: false\n");
		const good = await keepmesh(["inject", "-f", "-", "--config", config], { stdin: pod() });
		assert.match(good.stdout, /istio.io\/rev: r2/);
		assert.doesNotMatch(good.stdout, /initContainers:/);
		const bad = file("bad.yaml", "revisions: r2\npolicy: on\n");
		const refused = await keepmesh(["inject", "-f", "-", "--config", bad], { stdin: pod() });
		assert.equal(refused.code, 65);
		assert.match(refused.stderr, /revisions: no such field.*policy: "on" is none of enabled, disabled/);
		assert.equal((await keepmesh(["inject", "-f", "-", "--config", "/nowhere"], { stdin: pod() })).code, 66);
	});

	it("fails for a file that is not there, or is no YAML", async () => {
		assert.equal((await keepmesh(["inject", "-f", "/nowhere.yaml"])).code, 66);
		const { code, stderr } = await keepmesh(["inject", "-f", file("c.yaml", `${service}---\na: [b\n`)]);
		assert.equal(code, 65);
		assert.match(stderr, /c\.yaml: line \d+:/);
	});
});

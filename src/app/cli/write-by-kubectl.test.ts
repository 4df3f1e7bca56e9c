// By a program in kubectl's place that writes down how it was called, and says what kubectl says.

import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { CliError } from "./cli-error.ts";
import { applyByKubectl, deleteByKubectl } from "./write-by-kubectl.ts";

describe("writes by kubectl", () => {
	const directory = mkdtempSync(join(tmpdir(), "keepmesh-kubectl-"));
	const kubeconfig = join(directory, "config");
	const called = join(directory, "called");
	const options = { kubeconfig, kubernetes: true, namespace: "team" };
	const earlier = process.env.KEEPMESH_KUBECTL;

	before(() => {
		const config = {
			"current-context": "a",
			contexts: [{ name: "a", context: { cluster: "a", user: "a" } }],
			clusters: [{ name: "a", cluster: { server: "https://127.0.0.1:1" } }],
			users: [{ name: "a", user: { token: "t" } }],
		};
		writeFileSync(kubeconfig, JSON.stringify(config));
		process.env.KEEPMESH_KUBECTL = join(directory, "kubectl");
	});
	after(() => {
		if (earlier === undefined) delete process.env.KEEPMESH_KUBECTL;
		else process.env.KEEPMESH_KUBECTL = earlier;
		rmSync(directory, { recursive: true });
	});

	function says(text: string, code = 0): void {
		const file = join(directory, "kubectl");
		const stream = code === 0 ? "" : " >&2";
		writeFileSync(
			file,
			`#!/bin/sh\necho "$@" > ${called}\ncat >> ${called}\nprintf '${text}'${stream}\nexit ${code}\n`,
		);
		chmodSync(file, 0o755);
	}
	const call = (): string => readFileSync(called, "utf8").replace(`--kubeconfig ${kubeconfig} `, "").trim();

	it("hand the text over, and tell what became of each resource", async () => {
		says(
			"virtualservice.networking.istio.io/a created (server dry run)\\nservice/b unchanged\\nWarning: odd\\nsidecar.networking.istio.io/c configured\\n",
		);
		const items = await applyByKubectl({ ...options, dryRun: true }, "kind: Service");
		assert.deepEqual(
			items.map(({ kind, name, outcome }) => `${kind}/${name} ${outcome}`),
			["virtualservice/a created", "service/b unchanged", "sidecar/c configured"],
		);
		assert.equal(call(), "apply --namespace team --filename - --dry-run=server\nkind: Service");
	});

	it("tell what the API server refused, in its words", async () => {
		says("Error from server (Forbidden): you may not\\n", 1);
		await assert.rejects(applyByKubectl(options, ""), (error) => {
			return (
				error instanceof CliError && /not everything was applied: Error from server \(Forbidden\)/.test(error.message)
			);
		});
	});

	it("name the group of a kind that several have, and know what was not there", async () => {
		says("gateway.networking.istio.io/edge\\n");
		const name = { kind: "Gateway", namespace: "team", name: "edge" };
		assert.equal((await deleteByKubectl(options, name))?.outcome, "deleted");
		const flags = "--ignore-not-found --output name";
		assert.equal(call(), `delete --namespace team gateway.networking.istio.io edge ${flags}`);
		says("");
		assert.equal(await deleteByKubectl(options, { kind: "Namespace", namespace: "", name: "x" }), undefined);
		assert.equal(call(), `delete namespace x ${flags}`);
	});
});

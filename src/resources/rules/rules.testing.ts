// For tests of rules: the spec of one resource in YAML comes in, what is wrong with it goes out, in one line each.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readResourceFile } from "../read-resources.ts";

const apiVersions: Readonly<Record<string, string>> = {
	Service: "v1",
	Secret: "v1",
	Pod: "v1",
	Deployment: "apps/v1",
	EndpointSlice: "discovery.k8s.io/v1",
	MeshConfig: "keepmesh.io/v1alpha1",
	VirtualIP: "keepmesh.io/v1alpha1",
	VirtualIPPool: "keepmesh.io/v1alpha1",
	HotSwitch: "keepmesh.io/v1alpha1",
	RemoteCluster: "keepmesh.io/v1alpha1",
	PeerAuthentication: "security.istio.io/v1",
	RequestAuthentication: "security.istio.io/v1",
	AuthorizationPolicy: "security.istio.io/v1",
};

/** `error spec.http[0].timeout: message`, sorted as found. */
export function problemsOfSpec(kind: string, spec: string, name = "a"): readonly string[] {
	const indented = spec.replace(/^(?=.)/gm, "  ");
	const head = `apiVersion: ${apiVersions[kind] ?? "networking.istio.io/v1"}\nkind: ${kind}\nmetadata: {name: ${name}, namespace: ns}\n`;
	const { problems } = readResourceFile("a.yaml", `${head}spec:\n${indented}\n`);
	return problems.map((problem) => `${problem.severity} ${problem.path}: ${problem.message}`);
}

/** One row of a table of rules: with `expected` (the beginnings of the lines), or without for a spec that is fine. */
export type RuleCase = readonly [what: string, spec: string, ...expected: readonly string[]];

/** One test for each row. */
export function describeRules(kind: string, cases: readonly RuleCase[]): void {
	describe(`rules of ${kind}`, () => {
		for (const [what, spec, ...expected] of cases)
			it(`${verdictOf(expected)} ${what}`, () => {
				const problems = problemsOfSpec(kind, spec);
				assert.equal(problems.length, expected.length, problems.join("\n"));
				for (const [index, beginning] of expected.entries())
					assert.ok(problems[index]?.startsWith(beginning), `${problems[index]}\nshould begin with\n${beginning}`);
			});
	});
}

function verdictOf(expected: readonly string[]): string {
	if (expected.length === 0) return "accepts";
	return expected[0]?.startsWith("error") ? "refuses" : "warns of";
}

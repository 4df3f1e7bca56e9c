// For tests of references: resources in one line each come in, what is wrong between them goes out, in one line each.

import assert from "node:assert/strict";
import { it } from "node:test";
import { checkReferences } from "../check-references.ts";
import { newFieldFinder } from "../find-field.ts";
import { readResources } from "../read-resources.ts";

const versions: Readonly<Record<string, string>> = {
	Namespace: "v1",
	Service: "v1",
	Pod: "v1",
	Secret: "v1",
	Deployment: "apps/v1",
	VirtualIP: "keepmesh.io/v1alpha1",
	HotSwitch: "keepmesh.io/v1alpha1",
	MeshConfig: "keepmesh.io/v1alpha1",
	PeerAuthentication: "security.istio.io/v1",
	RequestAuthentication: "security.istio.io/v1",
	AuthorizationPolicy: "security.istio.io/v1",
};

/** Flow-style resources, one a line: `Kind ns/name {spec}`. */
export function problemsOf(...resources: readonly string[]): readonly string[] {
	const documents = resources.map((line, index) => {
		const [, kind = "", namespace, name, rest = ""] = /^(\w+) ([\w-]+)\/([\w-]+) (.*)$/.exec(line) ?? [];
		const fields = kind === "Secret" ? rest.slice(1, -1) : `spec: ${rest}`;
		const labels =
			kind === "Pod" ? `, labels: {app: ${name?.replace(/\d/, "")}, version: v${/\d/.exec(name ?? "")?.[0] ?? 1}}` : "";
		const created = `creationTimestamp: "2026-01-01T00:00:0${index % 10}Z"`;
		const version = versions[kind] ?? "networking.istio.io/v1";
		return `{apiVersion: ${version}, kind: ${kind}, metadata: {name: ${name}, namespace: ${namespace}, ${created}${labels}}, ${fields}}`;
	});
	const files = [{ path: "a.yaml", text: documents.map((text) => `---\n${text}\n`).join("") }];
	const { objects, problems } = readResources(files);
	assert.deepEqual(
		problems.filter((problem) => problem.severity === "error"),
		[],
	);
	assert.equal(objects.length, resources.length);
	return checkReferences(objects, newFieldFinder(files)).map(
		({ code, severity, resource, path, message }) =>
			`${code ? `${code} ` : ""}${severity} ${resource} ${path}: ${message}`,
	);
}

/** With `expected` (the beginnings of the lines), or without for resources that fit together. */
export type ReferenceCase = readonly [what: string, resources: readonly string[], ...expected: readonly string[]];

/** One test for each row. */
export function testReferences(cases: readonly ReferenceCase[]): void {
	for (const [what, resources, ...expected] of cases)
		it(`${expected.length === 0 ? "is content with" : "reports"} ${what}`, () => {
			const problems = problemsOf(...resources);
			assert.equal(problems.length, expected.length, problems.join("\n"));
			for (const [index, beginning] of expected.entries())
				assert.ok(problems[index]?.startsWith(beginning), `${problems[index]}\nshould begin with\n${beginning}`);
		});
}

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readResourceFile } from "../read-resources.ts";
import { describeRules, type RuleCase } from "./rules.testing.ts";

const selector = "selector: {matchLabels: {app: a}}";

const cases: readonly RuleCase[] = [
	["nothing", "{}"],
	["a mode for the namespace", "mtls: {mode: STRICT}"],
	["a mode that says nothing", "mtls: {mode: UNSET}"],
	["mtls without mode", "mtls: {}"],
	["a mode for a workload and its ports", `${selector}\nmtls: {mode: STRICT}\nportLevelMtls: {8080: {mode: DISABLE}}`],
	["an unknown mode", "mtls: {mode: MUTUAL_PERMISSIVE}", "error spec.mtls.mode: must be one of UNSET, "],
	[
		"ports without selector",
		"portLevelMtls: {8080: {mode: DISABLE}}",
		"error spec.portLevelMtls: portLevelMtls needs a selector",
	],
	[
		"ports with an empty selector",
		"selector: {matchLabels: {}}\nportLevelMtls: {8080: {mode: DISABLE}}",
		"warning spec.selector.matchLabels: the selector has no labels",
		"error spec.portLevelMtls: portLevelMtls needs a selector",
	],
	["no ports", `${selector}\nportLevelMtls: {}`, "error spec.portLevelMtls: is empty"],
	["port 0", `${selector}\nportLevelMtls: {0: {}}`, 'error spec.portLevelMtls["0"]: must be a port number'],
	["port 65536", `${selector}\nportLevelMtls: {65536: {}}`, 'error spec.portLevelMtls["65536"]: '],
	["a port by name", `${selector}\nportLevelMtls: {http: {}}`, "error spec.portLevelMtls.http: must be a port number"],
	["a selector without labels", "selector: {}", "warning spec.selector.matchLabels: the selector has no labels"],
	[
		"a wildcard in a selector",
		'selector: {matchLabels: {app: "a*"}}',
		"error spec.selector.matchLabels.app: wildcards",
	],
	[
		"a label that no pod can have",
		`selector: {matchLabels: {app: ${"a".repeat(64)}}}`,
		"error spec.selector.matchLabels.app: the value has 64 characters",
	],
	["a target", "targetRefs: [{kind: Service, name: a}]", "error spec.targetRefs: there is no field targetRefs here"],
];

describeRules("PeerAuthentication", cases);

describe("the annotation istio.io/dry-run", () => {
	const problems = (kind: string, value: string, spec = "{}"): readonly string[] =>
		readResourceFile(
			"a.yaml",
			`apiVersion: security.istio.io/v1\nkind: ${kind}\nmetadata: {name: a, annotations: {istio.io/dry-run: "${value}"}}\nspec: ${spec}\n`,
		).problems.map(({ severity, path, message }) => `${severity} ${path}: ${message}`);

	it("is for AuthorizationPolicies that allow or deny", () => {
		assert.deepEqual(problems("AuthorizationPolicy", "true"), []);
		assert.deepEqual(problems("AuthorizationPolicy", "false", "{action: DENY, rules: [{}]}"), []);
		assert.match(problems("AuthorizationPolicy", "true", "{action: AUDIT}")[0] ?? "", /^error .*AUDIT cannot be tried/);
		for (const kind of ["PeerAuthentication", "RequestAuthentication"])
			assert.match(problems(kind, "true")[0] ?? "", /^error metadata.annotations\["istio.io\/dry-run"\]: a /);
	});
	it("is true or false, so that no policy decides anything by a slip", () => {
		for (const value of ["yes", "on", "tRUE", ""])
			assert.match(problems("AuthorizationPolicy", value)[0] ?? "", /^error .*must be "true" or "false"/);
	});
});

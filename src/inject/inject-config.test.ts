import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { defaultInjectConfig, parseInjectConfig } from "./inject-config.ts";

const problemsOf = (value: unknown): readonly string[] => {
	const parsed = parseInjectConfig(value);
	return parsed.ok ? [] : parsed.problems;
};

describe("the injection configuration", () => {
	it("has a default for everything", () => {
		assert.deepEqual(parseInjectConfig(null), { ok: true, config: defaultInjectConfig });
		assert.deepEqual(parseInjectConfig({}), { ok: true, config: defaultInjectConfig });
	});

	it("takes what it says over what is given", () => {
		const base = { ...defaultInjectConfig, image: "a", clusterId: "east" };
		const parsed = parseInjectConfig({ image: "b", resources: {} }, base);
		assert.ok(parsed.ok);
		assert.deepEqual([parsed.config.image, parsed.config.clusterId, parsed.config.resources], ["b", "east", {}]);
	});

	it("tells all that is wrong at once, with what would be right", () => {
		const problems = problemsOf({
			imagePullPolicies: "Always",
			policy: "on",
			cni: "true",
			neverInjectSelector: [{ matchLabel: {} }],
			templates: { sidecar: {}, mine: "spec: {}" },
			logLevel: "loud",
		});
		assert.equal(problems.length, 6);
		assert.match(problems[0] ?? "", /imagePullPolicies: no such field; there are .*imagePullPolicy/);
		assert.match(problems[1] ?? "", /policy: "on" is none of enabled, disabled/);
	});

	it("knows no default template that nobody wrote", () => {
		assert.match(problemsOf({ defaultTemplates: ["sidecar", "mine"] })[0] ?? "", /there is no template mine/);
		assert.deepEqual(problemsOf({ defaultTemplates: ["mine"], templates: { mine: { spec: {} } } }), []);
	});

	it("does not let a template take the name of one of Keepmesh's own", () => {
		assert.match(problemsOf({ templates: { gateway: {} } })[0] ?? "", /give yours another name/);
	});
});

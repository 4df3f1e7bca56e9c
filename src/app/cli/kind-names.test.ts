import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { istioCrds } from "../../kubernetes/crds/istio-crds.ts";
import { keepmeshCrds } from "../../kubernetes/crds/keepmesh-crds.ts";
import { kindList, kindNamed, pluralOf } from "./kind-names.ts";

describe("names of kinds", () => {
	const known = [...keepmeshCrds(), ...istioCrds()]
		.map(({ spec }) => spec.names)
		.filter(({ kind }) => kindList.some((one) => one === kind));

	for (const { kind, plural, shortNames = [] } of known)
		it(`are those that kubectl knows, for ${kind}`, () => {
			for (const typed of [kind, plural, ...shortNames]) assert.equal(kindNamed(typed), kind);
			assert.equal(pluralOf(kindNamed(kind)), plural);
		});
});

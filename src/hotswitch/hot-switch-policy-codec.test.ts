import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { defaultHotSwitchPolicy } from "./hot-switch-policy.ts";
import { decodeHotSwitchPolicy, encodeHotSwitchPolicy } from "./hot-switch-policy-codec.ts";

const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

describe("the bytes of a HotSwitchPolicy", () => {
	it("give the policy back, with and without a limit", () => {
		for (const policy of [defaultHotSwitchPolicy, { ...defaultHotSwitchPolicy, directLimitMs: 604_800_000 }])
			assert.deepEqual(decodeHotSwitchPolicy(encodeHotSwitchPolicy(policy)), policy);
	});

	it("may have fields of a later version", () => {
		assert.deepEqual(decodeHotSwitchPolicy(encode({ ...defaultHotSwitchPolicy, later: 1 })), defaultHotSwitchPolicy);
	});

	it("are refused without any one of the fields", () => {
		for (const name of Object.keys(defaultHotSwitchPolicy))
			assert.equal(decodeHotSwitchPolicy(encode({ ...defaultHotSwitchPolicy, [name]: undefined })), undefined, name);
	});

	it("are refused with what no policy says", () => {
		const wrong: readonly Record<string, unknown>[] = [
			{ enabled: "true" },
			{ failOpen: "sometimes" },
			{ leaseMs: 39 },
			{ hangMs: 59 },
			{ heartbeatMs: 0 },
			{ proveMs: -1 },
			{ flapCount: 1.5 },
			{ proveMaxMs: 1e12 },
			{ directLimitMs: null },
		];
		for (const fields of wrong)
			assert.equal(
				decodeHotSwitchPolicy(encode({ ...defaultHotSwitchPolicy, ...fields })),
				undefined,
				JSON.stringify(fields),
			);
	});

	it("are refused when they are no JSON object in UTF-8, or too many", () => {
		for (const bytes of [encode(null), encode([]), Uint8Array.of(0xff), new Uint8Array()])
			assert.equal(decodeHotSwitchPolicy(bytes), undefined);
		assert.equal(decodeHotSwitchPolicy(encode({ ...defaultHotSwitchPolicy, later: "x".repeat(4096) })), undefined);
	});
});

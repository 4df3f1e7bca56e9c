import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { defaultMeshSettings } from "../../model/mesh-settings.ts";
import { durationFromMs } from "../encode-resource.ts";
import { retryPolicy } from "./retry-policy.ts";

const mesh = defaultMeshSettings.retries;
const defaultRetryOn = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes,retriable-headers";

describe("the retry policy", () => {
	it("is the mesh's where the rule has none: 2 attempts, not on 503, another endpoint each time", () => {
		const policy = retryPolicy(undefined, mesh, false);
		assert.equal(policy?.numRetries, 2);
		assert.equal(policy?.retryOn, defaultRetryOn);
		assert.deepEqual(policy?.retriableStatusCodes, []);
		assert.equal(policy?.hostSelectionRetryMaxAttempts, 20n);
		assert.equal(policy?.retryHostPredicate?.[0]?.name, "envoy.retry_host_predicates.previous_hosts");
	});

	it("follows the mesh's settings", () => {
		const policy = retryPolicy(undefined, { attempts: 4, perTryTimeoutMs: 250, retryOn: "5xx" }, false);
		assert.deepEqual([policy?.numRetries, policy?.retryOn], [4, "5xx"]);
		assert.deepEqual(policy?.perTryTimeout, durationFromMs(250));
		assert.equal(retryPolicy(undefined, { ...mesh, attempts: 0 }, false), undefined);
	});

	it("attempts 0 turns retries off", () => {
		assert.equal(retryPolicy({ attempts: 0 }, mesh, false), undefined);
	});

	it("attempts, perTryTimeout, backoff", () => {
		const policy = retryPolicy({ attempts: 3, perTryTimeout: "2s", backoff: "10ms" }, mesh, false);
		assert.equal(policy?.numRetries, 3);
		assert.equal(policy?.retryOn, defaultRetryOn);
		assert.deepEqual(policy?.perTryTimeout, durationFromMs(2000));
		assert.deepEqual(policy?.retryBackOff?.baseInterval, durationFromMs(10));
	});

	const reasons = [
		["gateway-error,reset", "gateway-error,reset", []],
		["503, 409", "retriable-status-codes", [503, 409]],
		["5xx,503", "5xx,retriable-status-codes", [503]],
		["503,retriable-status-codes", "retriable-status-codes", [503]],
		["", defaultRetryOn, []],
	] as const;
	for (const [text, retryOn, codes] of reasons) {
		it(`retryOn "${text}"`, () => {
			const policy = retryPolicy({ attempts: 1, retryOn: text }, mesh, false);
			assert.deepEqual([policy?.retryOn, policy?.retriableStatusCodes], [retryOn, codes]);
		});
	}

	it("asks for the word of the server's proxy exactly where a failed connection is a reason", () => {
		const headers = (retryOn: string) =>
			retryPolicy({ attempts: 1, retryOn }, mesh, false)?.retriableHeaders?.map(({ name }) => name) ?? [];
		assert.deepEqual(headers(""), ["x-keepmesh-undelivered"]);
		assert.deepEqual(headers("reset,connect-failure"), ["x-keepmesh-undelivered"]);
		assert.deepEqual(headers("reset"), []);
	});

	it("retryRemoteLocalities lets retries leave the priority that failed", () => {
		const policy = retryPolicy({ attempts: 1, retryRemoteLocalities: true }, mesh, false);
		assert.equal(policy?.retryPriority?.name, "envoy.retry_priorities.previous_priorities");
		assert.equal(retryPolicy({ attempts: 1 }, mesh, false)?.retryPriority, undefined);
	});

	it("may return to the same endpoint with a hash, or where the rule says so", () => {
		const avoids = (ignore: boolean | undefined, hashed: boolean): boolean =>
			retryPolicy({ attempts: 1, retryIgnorePreviousHosts: ignore }, mesh, hashed)?.retryHostPredicate?.length === 1;
		assert.deepEqual([avoids(undefined, false), avoids(undefined, true)], [true, false]);
		assert.deepEqual([avoids(false, false), avoids(true, true)], [false, true]);
	});
});

import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { daemonSets, pods } from "../client/api-resources.ts";
import { FakeApi } from "../client/fake-api.testing.ts";
import { isUninstalled } from "./is-uninstalled.ts";

describe("an agent that ends", () => {
	const own = { namespace: "keepmesh-system", name: "keepmesh-node-1" };
	let api: FakeApi;
	let clock: VirtualClock;
	beforeEach(() => {
		api = new FakeApi();
		clock = new VirtualClock();
		const ownerReferences = [{ kind: "DaemonSet", name: "keepmesh-node" }];
		api.put(pods, { metadata: { ...own, ownerReferences } });
	});
	const daemonSet = (metadata: object = {}) =>
		api.put(daemonSets, { metadata: { name: "keepmesh-node", namespace: own.namespace, ...metadata } });
	/** What it finds out within `seconds`; undefined: it still asks. */
	const found = async (seconds = 0): Promise<boolean | undefined> => {
		const asked = isUninstalled(api, clock, own);
		for (let second = 0; second <= seconds; second++) {
			await new Promise((turn) => setImmediate(turn));
			if (second < seconds) clock.advance(1_000);
		}
		return Promise.race([asked, new Promise<undefined>((turn) => setImmediate(turn, undefined))]);
	};

	it("has a successor while there is its DaemonSet", async () => {
		daemonSet();
		assert.equal(await found(), false);
	});

	it("has none once the DaemonSet is gone, or is being deleted", async () => {
		assert.equal(await found(), true);
		daemonSet({ deletionTimestamp: "2026-01-01T00:00:00Z" });
		assert.equal(await found(), true);
	});

	it("has none when it may no longer ask", async () => {
		daemonSet();
		api.refusals.set("/apis/apps", 403);
		assert.equal(await found(), true);
	});

	it("asks again when the API server fails, and has a successor when nobody says for some seconds", async () => {
		api.refusals.set("/apis/apps", 500);
		assert.equal(await found(1), undefined);
		assert.equal(await found(5), false);
	});

	it("finds out when the API server answers the second time", async () => {
		api.isDown = true;
		const asked = isUninstalled(api, clock, own);
		await new Promise((turn) => setImmediate(turn));
		api.isDown = false;
		clock.advance(1_000);
		assert.equal(await asked, true);
	});
});

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import { silentLog } from "../../runtime/log.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { LeadingRevisions } from "./leading-revisions.ts";

interface Lease {
	readonly name: string;
	readonly holder: string;
	readonly renewedMsAgo: number;
}

function revisions(clock: VirtualClock, revision: string, has: () => readonly Lease[] | undefined) {
	const client: KubernetesClient = {
		server: "https://api",
		namespace: "default",
		open: () => Promise.reject(new Error("no watch here")),
		close: () => {},
		request: async () => {
			const leases = has();
			if (leases === undefined) return { status: 403, body: { kind: "Status", message: "no" } };
			const items = leases.map(({ holder, name, renewedMsAgo }) => ({
				metadata: { name },
				spec: { holderIdentity: holder, renewTime: new Date(clock.wallMs() - renewedMsAgo).toISOString() },
			}));
			return { status: 200, body: { metadata: { resourceVersion: "1" }, items } };
		},
	};
	return new LeadingRevisions({ namespace: "keepmesh-system", revision }, { client, clock, log: silentLog });
}

describe("revisions that lead", () => {
	it("are those whose Lease was renewed of late, and one's own", async () => {
		const leases = [
			{ name: "keepmesh-control", holder: "", renewedMsAgo: 1000 },
			{ name: "keepmesh-control-1-1", holder: "a", renewedMsAgo: 1000 },
			{ name: "keepmesh-control-1-0", holder: "b", renewedMsAgo: 120_000 },
			{ name: "vip-a", holder: "node-1", renewedMsAgo: 0 },
		];
		const known = await revisions(new VirtualClock(), "1-2", () => leases).alive();
		assert.deepEqual([...known].sort(), ["1-1", "1-2"]);
	});

	it("are the default one as well, as long as they cannot be read", async () => {
		const known = await revisions(new VirtualClock(), "1-2", () => undefined).alive();
		assert.deepEqual([...known].sort(), ["1-2", "default"]);
	});

	it("are asked for again after a while", async () => {
		const clock = new VirtualClock();
		let asked = 0;
		const one = revisions(clock, "default", () => {
			asked++;
			return [];
		});
		await one.alive();
		await one.alive();
		assert.equal(asked, 1);
		clock.advance(30_000);
		await one.alive();
		assert.equal(asked, 2);
	});
});

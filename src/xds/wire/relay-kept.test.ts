import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { typeUrls } from "../resource.ts";
import { resource, resourceSet } from "../session.testing.ts";
import { encodedNode } from "./ads-client.testing.ts";
import { heldBy, RelayRig } from "./relay-rig.testing.ts";

const { cluster, endpoints } = typeUrls;

describe("the relay, for a proxy that ran on while it was away", () => {
	const rig = new RelayRig();

	const contents = { a: "1", b: "1" };
	const version = (name: string, content: string): string => resource(cluster, name, content).version;
	/** The proxy has `has`, the disk `kept`, the control plane `a` and `b`: what is sent, and what is kept as the first. */
	const resumed = async (has: readonly [string, string][], kept: readonly [string, string][], late = false) => {
		const one = await rig.control(resourceSet(cluster, contents), resourceSet(endpoints, { a: "1" }));
		const accepted: string[] = [];
		await rig.start([one], {
			cache: {
				socketPath: join(rig.directory, "none.sock"),
				has: () => false,
				onAccepted: (_, { typeUrl, isFirst }) =>
					accepted.push(`${typeUrl === cluster ? "clusters" : "other"} ${isFirst}`),
				versions: async () => new Map([[cluster, new Map(kept)]]),
			},
		});
		const envoy = rig.client();
		if (late) {
			envoy.ask({ typeUrl: endpoints, subscribe: ["a"], node: encodedNode("sidecar~1") });
			await envoy.until(() => heldBy(envoy, endpoints) === 1);
		}
		envoy.ask({ typeUrl: cluster, initialVersions: new Map(has), ...(!late && { node: encodedNode("sidecar~1") }) });
		if (!late) envoy.ask({ typeUrl: endpoints, subscribe: ["a"] });
		const isSynced = (): boolean => {
			const types = one.server.sessions()[0]?.types ?? [];
			return types.length === 2 && types.every(({ sync }) => sync === "SYNCED");
		};
		await envoy.until(() => heldBy(envoy, endpoints) === 1 && isSynced() && (!late || heldBy(envoy, cluster) === 2));
		return {
			sent: envoy.received.filter(({ typeUrl }) => typeUrl === cluster).map(({ resources }) => resources.length),
			removed: envoy.received.flatMap(({ removed }) => removed),
			accepted,
		};
	};
	const a1: [string, string] = ["a", version("a", "1")];
	const b1: [string, string] = ["b", version("b", "1")];

	it("sends nothing when what is kept is what the proxy has", async () => {
		const { sent, accepted } = await resumed([a1, b1], [a1, b1]);
		assert.deepEqual([sent, accepted.filter((one) => one.startsWith("clusters"))], [[], []]);
	});

	it("has all said anew when something that the proxy took was not kept", async () => {
		const { sent, accepted } = await resumed([a1, b1], [a1]);
		assert.deepEqual(sent, [2]);
		assert.ok(accepted.includes("clusters true"), `${accepted}`);
	});

	it("has all said anew when nothing is kept, as after a damaged file", async () => {
		const { sent, accepted } = await resumed([a1, b1], []);
		assert.deepEqual(sent, [2]);
		assert.ok(accepted.includes("clusters true"), `${accepted}`);
	});

	it("has all said anew when a removal was not kept", async () => {
		const { sent, accepted } = await resumed([a1, b1], [a1, b1, ["gone", "1"]]);
		assert.deepEqual(sent, [2]);
		assert.ok(accepted.includes("clusters true"), `${accepted}`);
	});

	it("has what only the proxy has removed", async () => {
		assert.deepEqual((await resumed([a1, b1, ["gone", "1"]], [a1])).removed, ["gone"]);
	});

	it("has all said anew also when it asks for it later", async () => {
		const { sent, accepted } = await resumed([a1, b1], [a1], true);
		assert.deepEqual(sent, [2]);
		assert.ok(accepted.includes("clusters true"), `${accepted}`);
	});
});

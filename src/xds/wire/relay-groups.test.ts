import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { renderRevision } from "../../model/revision.ts";
import { typeUrls } from "../resource.ts";
import { resource, resourceSet } from "../session.testing.ts";
import { encodedNode, type TestControl } from "./ads-client.testing.ts";
import { RelayRig } from "./relay-rig.testing.ts";

const { cluster } = typeUrls;
const host = "127.0.0.1";

describe("the relay, where proxies have control planes of their own", () => {
	const rig = new RelayRig();
	const version = (content: string): string => resource(cluster, "a", content).version;
	const group = (name: string, ...controls: readonly TestControl[]) => ({
		name,
		upstreams: controls.map(({ port }) => ({ host, port })),
	});

	it("serves each by its own", async () => {
		const one = await rig.control(resourceSet(cluster, { a: "1" }));
		const two = await rig.control(resourceSet(cluster, { a: "2" }));
		await rig.start([one], { groupOf: (proxy) => (proxy === "sidecar~2" ? group("1-1", two) : group("default", one)) });
		const envoys = ["1", "2"].map((name) => {
			const envoy = rig.client();
			envoy.ask({ typeUrl: cluster, node: encodedNode(`sidecar~${name}`) });
			return { envoy, name };
		});
		for (const { envoy, name } of envoys) await envoy.until(() => envoy.held.get(cluster)?.get("a") === version(name));
	});

	it("turns a proxy to its own when there are some, and to those of all when there are none any more", async () => {
		const one = await rig.control(resourceSet(cluster, { a: "1" }));
		const two = await rig.control(resourceSet(cluster, { a: "2" }));
		let own = group("default", one);
		await rig.start([one], { groupOf: () => own });
		const envoy = rig.client();
		envoy.ask({ typeUrl: cluster, node: encodedNode("sidecar~1") });
		await envoy.until(() => envoy.held.get(cluster)?.get("a") === version("1"));
		rig.relay?.regroup();
		assert.equal(rig.relay?.status()[0]?.losses, 0, "nothing changed for it");
		own = group("1-1", two);
		rig.relay?.regroup();
		await envoy.until(() => envoy.held.get(cluster)?.get("a") === version("2"));
		own = group("default", one);
		await rig.end(two);
		await envoy.until(() => envoy.held.get(cluster)?.get("a") === version("1"));
	});

	it("does not measure what one group says by what another has said", async () => {
		const one = await rig.control(resourceSet(cluster, { a: "1" }));
		const two = await rig.control(resourceSet(cluster, { a: "2" }));
		one.revision = renderRevision({ epoch: 900, counter: 1 });
		two.revision = renderRevision({ epoch: 5, counter: 1 });
		const seen = new Map<string, string>();
		let own = group("default", one);
		const revisions = {
			of: () => undefined,
			onSeen: (_: string, { epoch }: { readonly epoch: number }, name: string) => void seen.set(name, String(epoch)),
		};
		await rig.start([one], { groupOf: () => own, revisions });
		const envoy = rig.client();
		envoy.ask({ typeUrl: cluster, node: encodedNode("sidecar~1") });
		await envoy.until(() => envoy.held.get(cluster)?.get("a") === version("1"));
		own = group("1-1", two);
		rig.relay?.regroup();
		await envoy.until(() => envoy.held.get(cluster)?.get("a") === version("2"));
		assert.deepEqual(
			[...seen],
			[
				["default", "900"],
				["1-1", "5"],
			],
		);
	});
});

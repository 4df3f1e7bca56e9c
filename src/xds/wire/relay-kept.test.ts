import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, it } from "node:test";
import { realClock } from "../../runtime/clock.ts";
import { silentLog } from "../../runtime/log.ts";
import { type ResourceSet, typeUrls } from "../resource.ts";
import { proxyConfig, resource, resourceSet } from "../session.testing.ts";
import { encodedNode, startTestControl, TestClient, type TestControl } from "./ads-client.testing.ts";
import { startXdsRelay, type XdsRelay, type XdsRelayOptions } from "./xds-relay.ts";

const { cluster, endpoints } = typeUrls;

describe("the relay, for a proxy that ran on while it was away", () => {
	const directory = mkdtempSync(join(tmpdir(), "keepmesh-relay-kept-"));
	const socketPath = join(directory, "xds.sock");
	let relay: XdsRelay | undefined;
	let controls: TestControl[] = [];
	let clients: TestClient[] = [];

	const control = async (...sets: readonly ResourceSet[]): Promise<TestControl> => {
		const started = await startTestControl(proxyConfig(...sets));
		controls.push(started);
		return started;
	};
	const start = async (upstreams: readonly TestControl[], options: Partial<XdsRelayOptions> = {}): Promise<void> => {
		relay = await startXdsRelay(
			{ socketPath, upstreams: upstreams.map(({ port }) => ({ host: "127.0.0.1", port })), ...options },
			{ clock: realClock, log: silentLog, random: () => 0 },
		);
	};
	const client = (): TestClient => {
		const opened = new TestClient({ socketPath });
		clients.push(opened);
		return opened;
	};
	const size = (of: TestClient, typeUrl: string): number => of.held.get(typeUrl)?.size ?? 0;

	afterEach(async () => {
		for (const each of clients) each.stream.close();
		await relay?.close();
		for (const each of controls) await each.server.close();
		relay = undefined;
		controls = [];
		clients = [];
	});
	process.on("exit", () => rmSync(directory, { recursive: true, force: true }));

	const contents = { a: "1", b: "1" };
	const version = (name: string, content: string): string => resource(cluster, name, content).version;
	/** The proxy has `has`, the disk `kept`, the control plane `a` and `b`: what is sent, and what is kept as the first. */
	const resumed = async (has: readonly [string, string][], kept: readonly [string, string][], late = false) => {
		const one = await control(resourceSet(cluster, contents), resourceSet(endpoints, { a: "1" }));
		const accepted: string[] = [];
		await start([one], {
			cache: {
				socketPath: join(directory, "none.sock"),
				has: () => false,
				onAccepted: (_, { typeUrl, isFirst }) =>
					accepted.push(`${typeUrl === cluster ? "clusters" : "other"} ${isFirst}`),
				versions: async () => new Map([[cluster, new Map(kept)]]),
			},
		});
		const envoy = client();
		if (late) {
			envoy.ask({ typeUrl: endpoints, subscribe: ["a"], node: encodedNode("sidecar~1") });
			await envoy.until(() => size(envoy, endpoints) === 1);
		}
		envoy.ask({ typeUrl: cluster, initialVersions: new Map(has), ...(!late && { node: encodedNode("sidecar~1") }) });
		if (!late) envoy.ask({ typeUrl: endpoints, subscribe: ["a"] });
		const isSynced = (): boolean => {
			const types = one.server.sessions()[0]?.types ?? [];
			return types.length === 2 && types.every(({ sync }) => sync === "SYNCED");
		};
		await envoy.until(() => size(envoy, endpoints) === 1 && isSynced() && (!late || size(envoy, cluster) === 2));
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

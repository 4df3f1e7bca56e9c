import assert from "node:assert/strict";
import { connect, createServer, type Socket } from "node:net";
import { after, describe, it } from "node:test";
import { typeUrls } from "../resource.ts";
import { resourceSet } from "../session.testing.ts";
import { encodedNode } from "./ads-client.testing.ts";
import { heldBy, RelayRig } from "./relay-rig.testing.ts";

const { cluster } = typeUrls;

/** Between relay and control plane: when the power is off it neither takes nor gives anything, and closes nothing. */
async function startWire(toPort: number): Promise<{ readonly port: number; powerOff(): void; close(): void }> {
	const sockets: Socket[] = [];
	const server = createServer((near) => {
		const far = connect(toPort, "127.0.0.1");
		sockets.push(near, far);
		for (const socket of [near, far]) socket.on("error", () => {});
		near.pipe(far).pipe(near);
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const address = server.address();
	return {
		port: typeof address === "object" && address ? address.port : 0,
		powerOff: () => {
			for (const socket of sockets) {
				socket.unpipe();
				socket.pause();
			}
		},
		close: () => {
			server.close();
			for (const socket of sockets) socket.destroy();
		},
	};
}

describe("the relay, told that machines have gone silent", () => {
	const rig = new RelayRig();
	const wires: { close(): void }[] = [];
	after(() => {
		for (const wire of wires) wire.close();
	});

	const connected = async () => {
		const dying = await rig.control(resourceSet(cluster, { a: "1" }));
		const wire = await startWire(dying.port);
		wires.push(wire);
		const other = await rig.control(resourceSet(cluster, { a: "2" }));
		await rig.start([wire, other]);
		const envoy = rig.client();
		envoy.ask({ typeUrl: cluster, node: encodedNode("sidecar~1") });
		await envoy.until(() => heldBy(envoy, cluster) === 1);
		return { wire, other, envoy, upstream: () => rig.relay?.status()[0]?.upstream };
	};

	it("leaves a control plane that does not answer at once", async () => {
		const { envoy, other, upstream, wire } = await connected();
		wire.powerOff();
		const startedMs = performance.now();
		rig.relay?.doubt();
		await envoy.until(() => upstream() === `127.0.0.1:${other.port}`);
		const tookMs = performance.now() - startedMs;
		assert.ok(tookMs < 1_500, `${Math.round(tookMs)} ms, where its own pings take up to four seconds`);
	});

	it("leaves one on such a machine without asking, and does not turn to another there while there is a choice", async () => {
		const hosts = ["127.0.0.2", "127.0.0.3", "127.0.0.1"] as const;
		const upstreams: { readonly host: string; readonly port: number }[] = [];
		for (const host of hosts)
			upstreams.push({ host, port: (await rig.controlAt({ host, port: 0 }, resourceSet(cluster, { a: host }))).port });
		const [silent, alsoSilent] = hosts;
		const [first, , other] = upstreams;
		await rig.start([], { upstreams });
		const envoy = rig.client();
		envoy.ask({ typeUrl: cluster, node: encodedNode("sidecar~1") });
		await envoy.until(() => heldBy(envoy, cluster) === 1);
		const upstream = (): string | undefined => rig.relay?.status()[0]?.upstream;
		assert.equal(upstream(), `${silent}:${first?.port}`);
		const startedMs = performance.now();
		rig.relay?.doubt([silent, alsoSilent]);
		await envoy.until(() => upstream() === `127.0.0.1:${other?.port}`);
		const tookMs = performance.now() - startedMs;
		assert.ok(tookMs < 450, `${Math.round(tookMs)} ms, where an answer is waited for half a second`);
	});

	it("stays with one that answers", async () => {
		const { upstream, wire } = await connected();
		for (let time = 0; time < 3; time++) rig.relay?.doubt();
		await new Promise((resolve) => setTimeout(resolve, 700));
		assert.equal(upstream(), `127.0.0.1:${wire.port}`);
		assert.equal(rig.relay?.status()[0]?.losses, 0);
	});
});

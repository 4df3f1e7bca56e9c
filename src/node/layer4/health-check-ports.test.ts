import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { afterEach, before, beforeEach, describe, it } from "node:test";
import type { Layer4Service } from "../../l4/layer4-service.ts";
import type { NodeFacts } from "../../l4/node-facts.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { HealthCheckPorts } from "./health-check-ports.ts";

const nodeAt = (...nodePortAddresses: readonly string[]): NodeFacts => ({
	name: "n1",
	families: ["ipv4"],
	nodePortAddresses,
	masqueradeBit: 14,
	masqueradeAll: false,
	scheduler: "random",
});

function service(name: string, healthCheckNodePort?: number): Layer4Service {
	return {
		namespace: "default",
		name,
		clusterAddresses: ["10.96.0.1"],
		externalAddresses: [],
		loadBalancerAddresses: [],
		ports: [],
		externalPolicy: "Local",
		internalPolicy: "Cluster",
		sourceRanges: [],
		...(healthCheckNodePort === undefined ? {} : { healthCheckNodePort }),
	};
}

async function freePort(): Promise<number> {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	server.close();
	return port;
}

describe("health-check ports of Services", () => {
	const node = nodeAt("127.0.0.1");
	let port: number;
	let other: number;
	let ports: HealthCheckPorts;
	/** The Service that answers there; undefined where nobody does. */
	const answers = async (at = port, address = "127.0.0.1"): Promise<string | undefined> => {
		const answer = await fetch(`http://${address}:${at}/`).catch(() => undefined);
		return ((await answer?.json()) as { service: { name: string } } | undefined)?.service.name;
	};
	const update = (changed: Readonly<Record<string, Layer4Service | undefined>>, at = node): void =>
		ports.update(new Map(Object.entries(changed)), at);
	before(async () => {
		[port, other] = [await freePort(), await freePort()];
	});
	beforeEach(() => {
		ports = new HealthCheckPorts({ isHealthy: () => true, clock: new VirtualClock() });
	});
	afterEach(() => ports.close());

	it("answers for a Service as long as it has the port", async () => {
		update({ a: service("a", port), b: service("b") });
		assert.equal(await answers(), "a");
		update({ b: undefined });
		assert.equal(await answers(), "a");
		update({ a: service("a", other) });
		assert.deepEqual([await answers(), await answers(other)], [undefined, "a"]);
		update({ a: service("a") });
		assert.equal(await answers(other), undefined);
		update({ a: service("a", port) });
		update({ a: undefined });
		assert.equal(await answers(), undefined);
	});

	it("answers for the other one where two have the same port and one goes", async () => {
		update({ a: service("a", port), b: service("b", port) });
		assert.equal(await answers(), "b");
		update({ b: undefined });
		assert.equal(await answers(), "a");
	});

	it("follows the addresses of the node, for Services that did not change too", async () => {
		update({ a: service("a", port) });
		update({}, nodeAt("127.0.0.2"));
		assert.deepEqual([await answers(), await answers(port, "127.0.0.2")], [undefined, "a"]);
	});

	it("opens nothing after its end", async () => {
		ports.close();
		update({ a: service("a", port) });
		assert.equal(await answers(), undefined);
	});
});

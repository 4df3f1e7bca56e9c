// The process that follows a cluster, against an API server in memory and a vip process of which only the socket is there.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, beforeEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { configMaps, leases, nodes, secrets, services } from "../../kubernetes/client/api-resources.ts";
import { FakeApi } from "../../kubernetes/client/fake-api.testing.ts";
import type { Log } from "../../runtime/log.ts";
import { SocketLeaseStore } from "../vip/lease-socket.ts";
import type { PreparedConfig } from "../vip/prepared-config.ts";
import { virtualIpPools, virtualIps } from "./cluster-resources.ts";
import { VipFeed, type VipFeedOptions } from "./vip-feed.ts";

const root = mkdtempSync(join(tmpdir(), "keepmesh-feed-"));
after(() => rmSync(root, { recursive: true, force: true }));
const namespace = "keepmesh-system";

describe("what follows a cluster for virtual IPs", () => {
	let [state, count] = ["", 0];
	let api: FakeApi;
	let vip: Server;
	let feeds: VipFeed[] = [];
	let listeners: ServerResponse[] = [];
	let reloads = 0;
	const logged: { readonly facts: object; readonly message: string }[] = [];

	beforeEach(async () => {
		state = mkdtempSync(join(root, `${count++}-`));
		api = new FakeApi();
		api.put(nodes, nodeOf("n1", "10.88.0.11"));
		api.put(nodes, nodeOf("n2", "10.88.0.12"));
		listeners = [];
		logged.length = 0;
		vip = createServer(({ method }, response) => {
			if (method === "POST") {
				reloads++;
				response.end();
				return;
			}
			listeners.push(response);
			response.flushHeaders();
		});
		await new Promise<void>((done) => vip.listen(join(state, "vip.sock"), done));
	});
	afterEach(async () => {
		for (const feed of feeds) await feed.close();
		feeds = [];
		vip.closeAllConnections();
		vip.close();
	});

	const log = (facts: object, message: string): void => {
		logged.push({ facts, message });
	};
	const start = async (more: Partial<VipFeedOptions> = {}): Promise<VipFeed> => {
		const options = { node: "n1", state, namespace, takesClassless: true, ...more };
		const feed = new VipFeed(options, api, { debug: log, info: log, warn: log, error: log } satisfies Log);
		feeds.push(feed);
		await feed.start();
		return feed;
	};
	const prepared = (): PreparedConfig | undefined => {
		try {
			return JSON.parse(readFileSync(join(state, "prepared.json"), "utf8"));
		} catch {
			return undefined;
		}
	};
	const names = () => prepared()?.config.instances.map(({ name }) => name);
	const say = (name: string, role: string): void => {
		for (const response of listeners) response.write(`${JSON.stringify({ name, role })}\n`);
	};
	const serviceNow = (name: string) =>
		api.get(services, "default", name) as unknown as {
			readonly metadata: { readonly annotations?: Record<string, string> };
			readonly status: { readonly loadBalancer?: { readonly ingress?: readonly { readonly ip: string }[] } };
		};

	it("gives a Service an address, has it held, and writes its status once this node owns it", async () => {
		api.put(virtualIpPools, poolOf("10.88.0.100-10.88.0.110"));
		api.put(services, serviceOf("web"));
		await start();
		await until(() => names()?.includes("default/web"));
		assert.equal(serviceNow("web").metadata.annotations?.["keepmesh.io/allocated-ips"], "10.88.0.100");
		assert.equal(serviceNow("web").status.loadBalancer?.ingress, undefined);
		await until(() => listeners.length > 0 && reloads > 1);
		say("default/web", "MASTER");
		await until(() => serviceNow("web").status.loadBalancer?.ingress?.[0]?.ip === "10.88.0.100");
		api.put(services, {
			...serviceOf("web"),
			spec: { type: "ClusterIP" },
			metadata: serviceNow("web").metadata as never,
		});
		await until(() => serviceNow("web").metadata.annotations?.["keepmesh.io/allocated-ips"] === undefined);
		await until(() => names()?.length === 0);
	});

	it("makes VirtualIPs with this node's peers, takes their key from the Secret, and writes their owner", async () => {
		api.put(virtualIps, virtualIpOf({ authentication: { type: "hmac", secretName: "vrrp" } }));
		await start();
		await until(() => logged.some(({ message }) => message.startsWith("a problem in what this node")));
		await until(() => names()?.length === 0);
		api.put(secrets, { metadata: { namespace, name: "vrrp" }, data: { key: btoa("correct horse\n") } });
		await until(() => names()?.[0] === "web");
		const [instance] = prepared()?.config.instances ?? [];
		assert.deepEqual(instance?.authentication, { type: "hmac", key: "correct horse" });
		assert.ok(instance?.transport.type === "unicast" && instance.transport.peers[0]?.address === "10.88.0.12");
		await until(() => listeners.length > 0);
		say("web", "MASTER");
		const ownerNow = () => (api.get(virtualIps, namespace, "web")?.status as { owner?: string } | undefined)?.owner;
		await until(() => ownerNow() === "n1");
		say("web", "FAULT");
		await until(() => ownerNow() === undefined);
	});

	it("goes on with the last good version of an object that was broken, also after a start", async () => {
		api.put(virtualIps, virtualIpOf({}));
		const feed = await start();
		await until(() => names()?.[0] === "web");
		api.put(virtualIps, virtualIpOf({ addresses: ["nonsense"] }));
		await until(() => logged.some(({ message }) => message === "a problem in a resource"));
		await feed.close();
		feeds = [];
		await start();
		await sleep(100);
		assert.deepEqual(names(), ["web"]);
	});

	it("starts with what was known last while no API server answers, and says since when", async () => {
		api.put(virtualIps, virtualIpOf({ authentication: { type: "hmac", secretName: "vrrp" } }));
		api.put(secrets, { metadata: { namespace, name: "vrrp" }, data: { key: btoa("k") } });
		const feed = await start();
		await until(() => names()?.[0] === "web");
		await feed.close();
		feeds = [];
		api.isDown = true;
		rmSync(join(state, "prepared.json"));
		await start();
		await until(() => names()?.[0] === "web");
		await until(() => prepared()?.stale !== undefined);
	});

	it("follows the keepalived.conf of a ConfigMap, of this node first", async () => {
		const conf = (address: string) =>
			`vrrp_instance conf {\n interface lo\n virtual_router_id 60\n unicast_src_ip $_NODE_ADDRESS\n unicast_peer {\n $_PEER_ADDRESSES\n }\n virtual_ipaddress {\n ${address}/24\n }\n}\n`;
		const put = (data: object) => api.put(configMaps, { metadata: { namespace, name: "vip" }, data });
		put({ "keepalived.conf": conf("10.88.0.60") });
		await start({ conf: { namespace, name: "vip" } });
		const addressNow = () => prepared()?.config.instances[0]?.addresses[0]?.address;
		await until(() => addressNow() === "10.88.0.60");
		put({ "keepalived.conf": conf("10.88.0.60"), "n1.conf": conf("10.88.0.61") });
		await until(() => addressNow() === "10.88.0.61");
		const transport = prepared()?.config.instances[0]?.transport;
		assert.ok(transport?.type === "unicast" && transport.peers[0]?.address === "10.88.0.12");
	});

	it("runs VirtualIPs of files before there is an API server, and those of the cluster beside them afterwards", async () => {
		const resources = join(state, "resources");
		mkdirSync(resources);
		const file = { ...virtualIpOf({ virtualRouterId: 5 }), metadata: { name: "api", namespace } };
		const text = JSON.stringify({ apiVersion: "keepmesh.io/v1alpha1", kind: "VirtualIP", ...file });
		writeFileSync(join(resources, "api.json.yaml"), text);
		api.isDown = true;
		await start({ resources });
		await until(() => names()?.[0] === "api");
		assert.equal(prepared()?.config.instances[0]?.transport.type, "multicast");
		api.put(virtualIps, { ...virtualIpOf({}), metadata: { name: "web", namespace } });
		api.isDown = false;
		await until(() => names()?.includes("web"), 30_000);
		assert.deepEqual(names(), ["api", "web"]);
	});

	it("keeps leases for the vip process", async () => {
		await start();
		const store = new SocketLeaseStore(join(state, "leases.sock"));
		const name = { namespace, name: "web" };
		const claim = { identity: "n1", durationSeconds: 5, reason: "MASTER", address: "10.88.0.11" };
		const none = await store.read(name);
		assert.ok(none.ok && none.lease === undefined);
		const taken = await store.acquire(name, claim, undefined);
		assert.ok(taken.ok && taken.lease);
		const again = await store.acquire(name, { ...claim, identity: "n2" }, undefined);
		assert.ok(!again.ok && again.because === "conflict");
		const renewed = await store.renew(name, claim, taken.lease);
		assert.ok(renewed.ok && renewed.lease && renewed.lease.resourceVersion !== taken.lease.resourceVersion);
		assert.deepEqual(await store.read(name), renewed);
		const stale = await store.renew(name, claim, taken.lease);
		assert.ok(!stale.ok && stale.because === "conflict");
		const released = await store.release(name, claim, renewed.lease);
		assert.ok(released.ok);
		const spec = api.get(leases, namespace, "web")?.spec as { readonly holderIdentity: string } | undefined;
		assert.equal(spec?.holderIdentity, "");
		api.isDown = true;
		const down = await store.read(name);
		assert.ok(!down.ok && down.because === "unreachable");
		const nowhere = await new SocketLeaseStore(join(state, "none.sock")).read(name);
		assert.ok(!nowhere.ok && nowhere.because === "unreachable");
	});
});

async function until(holds: () => boolean | undefined, withinMs = 10_000): Promise<void> {
	const endMs = performance.now() + withinMs;
	while (!holds()) {
		if (performance.now() > endMs) throw new Error(`not within ${withinMs} ms: ${holds}`);
		await sleep(10);
	}
}

const nodeOf = (name: string, address: string) => ({
	metadata: { name },
	spec: {},
	status: { addresses: [{ type: "InternalIP", address }] },
});
const poolOf = (range: string) => ({ metadata: { name: "edge" }, spec: { addresses: [range], interface: "lo" } });
const serviceOf = (name: string) => ({
	metadata: { namespace: "default", name },
	spec: { type: "LoadBalancer", ports: [{ port: 80 }] },
	status: { loadBalancer: {} },
});
const virtualIpOf = (spec: object) => ({
	metadata: { namespace, name: "web" },
	spec: { addresses: ["10.88.0.100/24"], virtualRouterId: 51, interface: "lo", ...spec },
});

// The real kube-proxy (nftables) with a real API server: how long its first rules take, and one change of an endpoint. Its own
// waiting between two syncs (a second by default) is measured with and without. Skipped where it is not built.

import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Layer4Service } from "../../src/l4/layer4-service.ts";
import type { Rig } from "../../src/node/namespace-rig.testing.ts";
import { kubeProxyConfiguration } from "../../test/l4/kube-proxy.ts";
import { KubernetesApi, notBuilt } from "../../test/l4/kubernetes-api.ts";
import { type BenchRow, spreadOf } from "../support/bench-report.ts";
import { close, dropWaiting, openServer, openSockets, target, tryConnect } from "./fast-sockets.ts";
import { createLane, type Lane } from "./lane.ts";
import { endpointAddress, endpointPort, manyServices, serviceAddress, servicePort } from "./many-services.ts";

const perService = 10;
const changes = 6;
const atOnce = 12;
/** The first addresses of the range are the API server's own. */
const firstNumber = 256;
const syncMs = 600_000;

export async function kubeProxyRows(rig: Rig, sizes: readonly number[]): Promise<readonly BenchRow[]> {
	if (notBuilt) {
		console.error(`  ${notBuilt}`);
		return [];
	}
	const rows: BenchRow[] = [];
	for (const services of sizes) rows.push(...(await rowsFor(rig, services)));
	return rows;
}

async function rowsFor(rig: Rig, services: number): Promise<readonly BenchRow[]> {
	const lane = createLane(rig, `proxy-${services}`);
	const control = rig.addHost(`control-${services}`, "10.77.0.250");
	const api = new KubernetesApi(control, join(rig.directory, `kubernetes-${services}`));
	try {
		await api.start();
		const status = { addresses: [{ type: "InternalIP", address: lane.host.ip }] };
		await api.create({ kind: "Node", apiVersion: "v1", ...{ metadata: { name: "node-1" } }, status });
		await createAll(api, services);
		const rows: BenchRow[] = [];
		for (const [index, minSyncPeriod] of ["1s", "0s"].entries()) {
			const configuration = { ...kubeProxyConfiguration, nftables: { minSyncPeriod } };
			const { tookMs, ownMs, child } = await firstSync(api, lane, configuration, services);
			const changed: number[] = [];
			for (let change = 0; change < changes; change++)
				changed.push(await oneChange(api, lane, services, index * changes + change));
			await end(child);
			lane.nft("delete table ip kube-proxy\ndelete table ip6 kube-proxy");
			const name = `kube-proxy, ${services} services x ${perService}`;
			if (index === 0)
				rows.push(
					{ what: `${name}: from its start to rules for all`, unit: "ms", spread: spreadOf([tookMs]) },
					{ what: `${name}: its first sync, in its own metric`, unit: "ms", spread: spreadOf([ownMs]) },
				);
			const pause = minSyncPeriod === "1s" ? "" : ", told not to wait between syncs";
			const what = `${name}: an endpoint is replaced, until somebody reaches the new one${pause}`;
			rows.push({ what, unit: "ms", spread: spreadOf(changed) });
		}
		return rows;
	} catch (error) {
		throw new Error(`${String(error)}\n${api.log("kube-proxy")}`);
	} finally {
		api.close();
		rig.removeHost(control);
		lane.close();
	}
}

async function createAll(api: KubernetesApi, count: number): Promise<void> {
	const all = [...manyServices(count, perService).values()].flatMap((service, number) => manifestsOf(service, number));
	const next = all[Symbol.iterator]();
	await Promise.all(
		Array.from({ length: atOnce }, async () => {
			for (let one = next.next(); !one.done; one = next.next()) await api.create(one.value);
		}),
	);
}

function manifestsOf(service: Layer4Service, number: number) {
	const metadata = { name: service.name, namespace: "default" };
	const [port] = service.ports;
	const endpoints = (port?.endpoints ?? []).map(({ address }) => address);
	const address = serviceAddress(firstNumber + number);
	const ports = [{ port: servicePort, targetPort: endpointPort, protocol: "TCP" }];
	return [
		{ apiVersion: "v1", kind: "Service", metadata, spec: { clusterIP: address, clusterIPs: [address], ports } },
		sliceOf(service.name, endpoints),
	];
}

function sliceOf(service: string, endpoints: readonly string[]) {
	const labels = { "kubernetes.io/service-name": service };
	return {
		apiVersion: "discovery.k8s.io/v1",
		kind: "EndpointSlice",
		metadata: { name: service, namespace: "default", labels },
		addressType: "IPv4",
		ports: [{ name: "", port: endpointPort, protocol: "TCP" }],
		endpoints: endpoints.map((address) => ({ addresses: [address], conditions: { ready: true }, nodeName: "node-2" })),
	};
}

async function firstSync(
	api: KubernetesApi,
	lane: Lane,
	configuration: object,
	services: number,
): Promise<{ readonly tookMs: number; readonly ownMs: number; readonly child: ChildProcess }> {
	const server = openServer(lane.servers, "tcp", endpointPort);
	const startMs = performance.now();
	const child = api.startProxy(lane.host, configuration);
	const last = target(serviceAddress(firstNumber + services - 1), servicePort);
	while (!isReached(lane, last, server)) {
		if (performance.now() - startMs > syncMs) throw new Error("kube-proxy wrote no rules");
		await sleep(5);
	}
	const tookMs = performance.now() - startMs;
	close(server);
	await sleep(500);
	const metrics = lane.host.exec("curl", "-s", "http://127.0.0.1:10249/metrics");
	const sum = metrics.match(/^kubeproxy_sync_full_proxy_rules_duration_seconds_sum\{[^}]*IPv4[^}]*\} (\S+)/m)?.[1];
	return { tookMs, ownMs: 1000 * Number(sum ?? Number.NaN), child };
}

/** From the moment when the API server has said yes. */
async function oneChange(api: KubernetesApi, lane: Lane, services: number, change: number): Promise<number> {
	const number = (change * 37) % services;
	const joined = endpointAddress(services * perService + 1000 + change);
	const kept = Array.from({ length: perService - 1 }, (_, index) => endpointAddress(number * perService + index + 2));
	const others = openServer(lane.servers, "tcp", endpointPort);
	const server = openServer(lane.servers, "tcp", endpointPort, joined);
	const to = target(serviceAddress(firstNumber + number), servicePort);
	const { endpoints } = sliceOf("", [...kept, joined]);
	const path = `/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/service-${number}`;
	const answer = await api.request("PATCH", path, { endpoints });
	const startMs = performance.now();
	if (answer.status !== 200) throw new Error(answer.body);
	while (!isReached(lane, to, server, others)) {
		if (performance.now() - startMs > syncMs) throw new Error("the new endpoint is never reached");
		await sleep(1);
	}
	const tookMs = performance.now() - startMs;
	close(server, others);
	// The next change is not held up by this one.
	await sleep(1200);
	return tookMs;
}

function isReached(lane: Lane, to: Buffer, server: number, others?: number): boolean {
	const sockets = openSockets(lane.client, "tcp", 20);
	try {
		for (const socket of sockets) {
			if (!tryConnect(socket, to)) return false;
			if (others !== undefined) dropWaiting(others);
			if (dropWaiting(server)) return true;
		}
		return false;
	} finally {
		close(...sockets);
	}
}

async function end(child: ChildProcess): Promise<void> {
	const ended = new Promise((resolve) => child.once("exit", resolve));
	child.kill("SIGTERM");
	await Promise.race([ended, sleep(3000).then(() => child.kill("SIGKILL"))]);
}

// A whole way from application to application, through the client's proxy and the server's, in plaintext and by mutual TLS
// (the mesh's own, by default of both proxies). The way in plaintext is there twice, to show what the measurement is worth.

import { generateProxyConfig } from "../../src/envoy/generate-proxy-config.ts";
import { workloadSecrets } from "../../src/envoy/secret/workload-secrets.ts";
import { aProxy } from "../../src/model/model.testing.ts";
import type { Host } from "../../src/node/namespace-rig.testing.ts";
import { readResources } from "../../src/resources/read-resources.ts";
import { applyChanges, emptySnapshot, type Snapshot } from "../../src/snapshot/snapshot.ts";
import { viewFor } from "../../src/snapshot/view-for.ts";
import { typeUrls } from "../../src/xds/resource.ts";
import { type TestAuthority, testAuthority } from "../../test/features/test-authority.ts";
import { type BenchRow, spreadOf } from "./bench-report.ts";
import { fixedAnswer, hopAuthority, hopPort, hopServiceYaml } from "./hop-configs.ts";
import type { HopProxies } from "./hop-proxies.ts";
import { type HopProxy, type HopRound, hopRounds, type RoundsOptions } from "./hop-rounds.ts";

const variants = ["plaintext", "mutual TLS", "plaintext again"] as const;
type Variant = (typeof variants)[number];
export type MeasuredPairs = Readonly<Record<Variant, HopRound[]>>;

interface Pair {
	readonly client: Host;
	readonly server: Host;
}

/** Both proxies of a pair count as one lane: their CPU is added up. */
export async function measurePairs(
	hops: HopProxies,
	shape: RoundsOptions & { readonly starts: number },
): Promise<MeasuredPairs> {
	const measured: MeasuredPairs = { plaintext: [], "mutual TLS": [], "plaintext again": [] };
	const authority = testAuthority();
	const pairs: Pair[] = [];
	for (const index of variants.keys()) {
		pairs.push({
			client: await hops.addPod(`pair-${index}-c`, `10.77.0.${200 + index}`),
			server: await hops.addPod(`pair-${index}-s`, `10.77.0.${210 + index}`),
		});
	}
	for (let start = 0; start < shape.starts; start++) {
		const lanes: HopProxy[] = [];
		for (const [index, { client, server }] of pairs.entries()) {
			const name = variants[index] ?? "plaintext";
			const secured = name === "mutual TLS" ? authority : undefined;
			const snapshot = snapshotOf(server.ip, secured !== undefined);
			hops.startEnvoy(server, `pair-application-${index}`, fixedAnswer());
			const pids = [
				hops.startEnvoy(client, `pair-client-${index}`, served("client", client, snapshot, hops, secured)),
				hops.startEnvoy(server, `pair-server-${index}`, served("reviews", server, snapshot, hops, secured)),
			];
			const to = { host: server.ip, port: hopPort, authority: hopAuthority };
			await hops.untilServing(client, to);
			lanes.push({ name: `pair ${name}`, pids, netns: client.netns, ...to });
		}
		const rounds = await hopRounds(lanes, shape);
		for (const [index, variant] of variants.entries()) measured[variant].push(...(rounds[index] ?? []));
		await hops.stopEnvoys();
	}
	return measured;
}

function snapshotOf(serverIp: string, secured: boolean): Snapshot {
	const text = `${hopServiceYaml(serverIp)}
---
apiVersion: v1
kind: Pod
metadata: {name: reviews-1, labels: {app: reviews, security.istio.io/tlsMode: "${secured ? "istio" : ""}"}}
spec: {serviceAccountName: reviews}
status: {podIP: ${serverIp}, phase: Running, conditions: [{type: Ready, status: "True"}]}
`;
	const { objects, problems } = readResources([{ path: "pair.yaml", text }]);
	if (problems.some((problem) => problem.severity === "error")) throw new Error(JSON.stringify(problems));
	const changes = objects.map((object) => ({ type: "objectApplied" as const, object }));
	return applyChanges(emptySnapshot(), changes).snapshot;
}

function served(name: string, pod: Host, snapshot: Snapshot, hops: HopProxies, authority?: TestAuthority): object {
	const proxy = aProxy(name, {
		ipAddresses: [pod.ip],
		interceptionMode: "REDIRECT",
		workloadCertificate: authority !== undefined,
	});
	const config = generateProxyConfig(proxy, viewFor(snapshot, proxy));
	const own = authority && workloadSecrets(authority.issue(`spiffe://cluster.local/ns/default/sa/${name}`));
	return hops.serve(proxy, own ? new Map([...config, [typeUrls.secret, own.get(typeUrls.secret) ?? none]]) : config);
}

const none = { typeUrl: typeUrls.secret, parts: [] };

export function pairRows(measured: MeasuredPairs): readonly BenchRow[] {
	const base = measured.plaintext;
	return (
		[
			["latency mean", "meanUs"],
			["latency p50", "p50Us"],
			["latency p99", "p99Us"],
			["CPU of both proxies a request", "cpuUs"],
		] as const
	).flatMap(([what, field]) => {
		const figures = (variant: Variant) => spreadOf(measured[variant].map((round) => round[field]));
		const extra = (variant: Variant) =>
			spreadOf(measured[variant].map((round, index) => round[field] - (base[index]?.[field] ?? Number.NaN)));
		const name = `client and server ${what}`;
		return [
			{ what: `${name}, plaintext`, unit: "us", spread: figures("plaintext") },
			{ what: `${name}, mutual TLS`, unit: "us", spread: figures("mutual TLS") },
			{ what: `${name}, mutual TLS adds`, unit: "us", spread: extra("mutual TLS") },
			{ what: `${name}, the same again adds`, unit: "us", spread: extra("plaintext again") },
		];
	});
}

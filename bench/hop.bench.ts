// What one hop through the generated sidecar configuration costs beside a hand-written minimal Envoy configuration that does
// the same, outbound and inbound: take a redirected connection and forward its requests. All proxies run the same Envoy in
// network namespaces with the same redirect and take turns; the hand-written one runs twice, to show what the measurement
// itself is worth. Every process is started several times, as the layout of its memory alone makes a difference. Then a whole
// way through the client's proxy and the server's, in plaintext beside the mesh's mutual TLS.

import { generateProxyConfig } from "../src/envoy/generate-proxy-config.ts";
import { aProxy } from "../src/model/model.testing.ts";
import { cannotRun, createRig, type Host } from "../src/node/namespace-rig.testing.ts";
import { readResources } from "../src/resources/read-resources.ts";
import { applyChanges, emptySnapshot } from "../src/snapshot/snapshot.ts";
import { viewFor } from "../src/snapshot/view-for.ts";
import type { ProxyConfig } from "../src/xds/resource.ts";
import { type BenchRow, reportBench, spreadOf } from "./support/bench-report.ts";
import {
	fixedAnswer,
	hopAuthority,
	hopPort,
	hopServiceYaml,
	minimalInbound,
	minimalOutbound,
} from "./support/hop-configs.ts";
import { measurePairs, pairRows } from "./support/hop-pairs.ts";
import { type HopProxies, startHopProxies } from "./support/hop-proxies.ts";
import { type HopProxy, type HopRound, hopRounds } from "./support/hop-rounds.ts";

const starts = 4;
const shape = { rounds: 40, requests: 600, connections: 1, warmUpRounds: 5 };

type Direction = "outbound" | "inbound";
const variants = ["hand-written", "generated", "hand-written again"] as const;
type Variant = (typeof variants)[number];
type Measured = Readonly<Record<Variant, HopRound[]>>;

if (cannotRun) {
	console.error(`hop: ${cannotRun}; run it as root`);
	process.exit(69);
}

const rig = createRig();
const proxies = await startHopProxies(rig);
try {
	const outbound = await measure("outbound", proxies);
	const inbound = await measure("inbound", proxies);
	const pairs = await measurePairs(proxies, { ...shape, starts });
	reportBench("hop", [...rowsOf("outbound", outbound), ...rowsOf("inbound", inbound), ...pairRows(pairs)]);
} finally {
	await proxies.close();
	rig.close();
}
process.exit(0);

/** Outbound: pods send to one upstream outside. Inbound: one client outside sends to pods, each with its application. */
async function measure(direction: Direction, hops: HopProxies): Promise<Measured> {
	const measured: Measured = { "hand-written": [], generated: [], "hand-written again": [] };
	const net = direction === "outbound" ? 0 : 100;
	const outside = rig.addHost(`${direction}-o`, `10.77.0.${net + 10}`);
	const pods: Host[] = [];
	for (const index of variants.keys()) {
		pods.push(await hops.addPod(`${direction}-${index}`, `10.77.0.${net + 20 + index}`));
	}
	for (let start = 0; start < starts; start++) {
		if (direction === "outbound") hops.startEnvoy(outside, "upstream", fixedAnswer());
		const lanes: HopProxy[] = [];
		for (const [index, pod] of pods.entries()) {
			const upstream = direction === "outbound" ? outside : pod;
			const sender = direction === "outbound" ? pod : outside;
			if (direction === "inbound") hops.startEnvoy(pod, `application-${index}`, fixedAnswer());
			const bootstrap =
				variants[index] === "generated"
					? served(direction, pod, upstream.ip, hops)
					: direction === "outbound"
						? minimalOutbound(upstream.ip)
						: minimalInbound(pod.ip);
			const pid = hops.startEnvoy(pod, `proxy-${index}`, bootstrap);
			const to = { host: upstream.ip, port: hopPort, authority: hopAuthority };
			await hops.untilServing(sender, to);
			lanes.push({ name: `${direction} ${variants[index]}`, pids: [pid], netns: sender.netns, ...to });
		}
		const rounds = await hopRounds(lanes, shape);
		for (const [index, variant] of variants.entries()) measured[variant].push(...(rounds[index] ?? []));
		await hops.stopEnvoys();
	}
	return measured;
}

/** Outbound for a client of the service, inbound for its workload. */
function served(direction: Direction, pod: Host, endpointIp: string, hops: HopProxies): object {
	const { objects, problems } = readResources([{ path: "hop.yaml", text: hopServiceYaml(endpointIp) }]);
	if (problems.some((problem) => problem.severity === "error")) throw new Error(JSON.stringify(problems));
	const { snapshot } = applyChanges(
		emptySnapshot(),
		objects.map((object) => ({ type: "objectApplied", object })),
	);
	const proxy = aProxy(direction === "outbound" ? "client" : "reviews", {
		ipAddresses: [pod.ip],
		interceptionMode: "REDIRECT",
	});
	const config: ProxyConfig = generateProxyConfig(proxy, viewFor(snapshot, proxy));
	return hops.serve(proxy, config);
}

function rowsOf(direction: Direction, measured: Measured): readonly BenchRow[] {
	const base = measured["hand-written"];
	return (
		[
			["latency mean", "meanUs"],
			["latency p50", "p50Us"],
			["latency p99", "p99Us"],
			["proxy CPU a request", "cpuUs"],
		] as const
	).flatMap(([what, field]) => {
		const figures = (variant: Variant) => spreadOf(measured[variant].map((round) => round[field]));
		const extraPercent = (variant: Variant) =>
			spreadOf(
				measured[variant].map((round, index) => 100 * (round[field] / (base[index]?.[field] ?? Number.NaN) - 1)),
			);
		const name = `${direction} ${what}`;
		return [
			{ what: `${name}, hand-written`, unit: "us", spread: figures("hand-written") },
			{ what: `${name}, generated`, unit: "us", spread: figures("generated") },
			{ what: `${name}, extra`, unit: "%", spread: extraPercent("generated"), target: "median <= 5" },
			{ what: `${name}, extra of the same again`, unit: "%", spread: extraPercent("hand-written again") },
		];
	});
}

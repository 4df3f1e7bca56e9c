// The load `mesh` on a cluster: a client calls a Service of three servers under STRICT mutual TLS, on connections that are used for twenty
// requests, and a stranger tries them in plaintext. All of them are pods of the drill, spread over its nodes.

import { callerHeader, servedPort } from "../../kubernetes/drill/drill-order.ts";
import type { RunningLoad } from "../../lab/drill/drill-mesh.ts";
import { goodAnswers } from "../../lab/load/load-report.ts";
import { destinationRules, objectOf, peerAuthentications, serviceAccounts } from "./drill-kinds.ts";
import { type DrillPlace, otherNode } from "./drill-place.ts";
import type { DrillPod } from "./kubernetes-drill-pods.ts";
import { startCounted } from "./kubernetes-senders.ts";
import { untilAnswered } from "./kubernetes-workload.ts";

export interface KubernetesMeshLoad {
	/** Of the load; on the second node, where there is one. */
	readonly client: DrillPod;
	/** Address of the servers' Service. */
	readonly address: string;
	/** Name of the servers' Deployment, and their label `app`. */
	readonly servers: string;
	/** Headers that say whom is called: the Service by its name. */
	readonly headers: Readonly<Record<string, string>>;
	startLoad(): Promise<RunningLoad>;
}

const servers = "server";
const serverCount = 3;
const defaultRate = 500;
const plaintextRate = 20;
/** As an application that wants to lose nothing does: until everybody has heard that it leaves. */
const lingerMs = 5_000;

export async function kubernetesMeshLoad(place: DrillPlace): Promise<KubernetesMeshLoad> {
	const { pods } = place;
	for (const name of [servers, "client"]) await pods.make(serviceAccounts, objectOf(serviceAccounts, name));
	await pods.make(peerAuthentications, objectOf(peerAuthentications, servers, strictOf(servers)));
	const trafficPolicy = { connectionPool: { http: { maxRequestsPerConnection: 20 } } };
	await pods.make(destinationRules, objectOf(destinationRules, servers, { host: servers, trafficPolicy }));
	const [address, client, beyond] = await Promise.all([
		pods.serve(servers),
		pods.start({ app: "client", proxy: true, serviceAccount: "client", node: otherNode(place) }),
		pods.beyond(),
		pods.deploy({ app: servers, proxy: true, serviceAccount: servers, lingerMs }, serverCount),
	]);
	const headers = { host: `${servers}.${pods.options.namespace}.svc:${servedPort}` };
	await untilAnswered(pods, "the servers answer the client, by mutual TLS alone", [
		async () => {
			const order = { order: "ask", host: address, port: servedPort, headers } as const;
			const { status, headers: said } = await pods.order<{
				readonly status: number;
				readonly headers: Readonly<Record<string, string>>;
			}>(client, order);
			return status === 200 && said[callerHeader] !== "plaintext";
		},
		async () => {
			const [server] = await pods.ready(servers);
			const order = { order: "ask", host: server?.ip ?? address, port: servedPort } as const;
			return (await pods.order<{ status: number }>(beyond, order)).status !== 200;
		},
	]);
	return {
		client,
		address,
		servers,
		headers,
		startLoad: async () => {
			const found = await pods.ready(servers);
			const strange = { ratePerSecond: plaintextRate / found.length, newConnections: true };
			const strangers = await Promise.all(found.map(({ ip }) => startCounted(pods, beyond, { ...strange, host: ip })));
			const ratePerSecond = place.ratePerSecond ?? defaultRate;
			const inside = await startCounted(pods, client, {
				host: address,
				headers,
				ratePerSecond,
				countHeader: callerHeader,
			});
			return {
				stop: async () => {
					const report = await inside.stop();
					const attempts = await Promise.all(strangers.map((sender) => sender.stop()));
					const served = attempts.reduce((sum, attempt) => sum + goodAnswers(attempt), 0);
					return { ...report, plaintext: (report.byVersion.plaintext ?? 0) + served };
				},
			};
		},
	};
}

const strictOf = (app: string) => ({ selector: { matchLabels: { app } }, mtls: { mode: "STRICT" } });

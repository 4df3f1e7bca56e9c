// The workload of the drills of the spare, made of pods on a cluster, as lab-spare.ts makes it of a lab: senders into it and out of it that
// its policies admit, others that they deny, a stranger in plaintext, and a watcher of its wire.

import { servedPort } from "../../kubernetes/drill/drill-order.ts";
import type { DrillReport, RunningLoad } from "../../lab/drill/drill-mesh.ts";
import type { DrillSpare } from "../../lab/drill/drill-spare.ts";
import { loggedReport } from "../../lab/drill/logged-report.ts";
import { type SentRequest, type SideReport, sideReport } from "../../lab/drill/sent-requests.ts";
import type { WireReport } from "../../lab/drill/wire-flows.ts";
import { goodAnswers, isGood } from "../../lab/load/load-report.ts";
import {
	authorizationPolicies,
	destinationRules,
	hotSwitches,
	objectOf,
	peerAuthentications,
	serviceAccounts,
} from "./drill-kinds.ts";
import { type DrillPlace, firstNodePeer, otherNode } from "./drill-place.ts";
import type { Sender } from "./drill-senders.ts";
import type { DrillPod } from "./kubernetes-drill-pods.ts";
import { startCounted, startLogged } from "./kubernetes-senders.ts";
import { KubernetesWorkload, untilAnswered } from "./kubernetes-workload.ts";

export interface KubernetesSpare extends DrillSpare {
	startLoad(): Promise<RunningLoad>;
}

/** Each way: every request is a handshake between two Envoys. */
const defaultRate = 60;
/** Of what is denied, and of the stranger's, each: of the rate. */
const besideShare = 1 / 3;
const deniedPath = "/headers";
/** Where a fault's gap may have begun. */
const beforeFaultUs = 250_000;

export async function kubernetesSpare(place: DrillPlace): Promise<KubernetesSpare> {
	const { pods } = place;
	const { namespace } = pods.options;
	const on = (app: string) => ({ selector: { matchLabels: { app } } });
	// Whatever the mesh's trust domain is.
	const calledBy = (account: string) => [{ source: { principals: [`*/ns/${namespace}/sa/${account}`] } }];
	const newConnections = { connectionPool: { http: { maxRequestsPerConnection: 1 } } };
	for (const account of ["caller", "guarded"]) await pods.make(serviceAccounts, objectOf(serviceAccounts, account));
	for (const app of ["guarded", "keeper"]) {
		const strict = { ...on(app), mtls: { mode: "STRICT" } };
		await pods.make(peerAuthentications, objectOf(peerAuthentications, app, strict));
		await pods.make(destinationRules, objectOf(destinationRules, app, { host: app, trafficPolicy: newConnections }));
	}
	const guardedRules = [{ from: calledBy("caller"), to: [{ operation: { paths: ["/get"] } }] }];
	const policy = (app: string, rules: object) =>
		pods.make(authorizationPolicies, objectOf(authorizationPolicies, app, { ...on(app), rules }));
	await policy("guarded", guardedRules);
	await policy("keeper", [{ from: calledBy("guarded") }]);
	const steps = { ...on("guarded"), steps: ["spare"], prove: "1500ms" };
	await pods.make(hotSwitches, objectOf(hotSwitches, "guarded", steps));
	const node = otherNode(place);
	const [guarded, keeper, caller, beyond, breaker] = await Promise.all([
		pods.serve("guarded"),
		pods.serve("keeper"),
		pods.only({ app: "caller", proxy: true, serviceAccount: "caller", node }),
		pods.beyond(),
		firstNodePeer(place),
		pods.only({ app: "keeper", proxy: true, node }),
	]);
	return new GuardedPod(place, { guarded, keeper, caller, beyond, breaker });
}

interface Surroundings {
	/** Addresses of Services. */
	readonly guarded: string;
	readonly keeper: string;
	readonly caller: DrillPod;
	readonly beyond: DrillPod;
	readonly breaker: DrillPod;
}

class GuardedPod implements KubernetesSpare {
	readonly #place: DrillPlace;
	readonly #around: Surroundings;
	#running: KubernetesWorkload | undefined;

	constructor(place: DrillPlace, around: Surroundings) {
		this.#place = place;
		this.#around = around;
	}

	async startLoad(): Promise<RunningLoad> {
		const { limitMs, pods, ratePerSecond = defaultRate } = this.#place;
		const besideRate = Math.ceil(ratePerSecond * besideShare);
		const { beyond, breaker, caller, guarded, keeper } = this.#around;
		// One whose Envoy failed before has to prove itself for longer.
		if (this.#running) await pods.remove(this.#running.pod, 0);
		const pod = await pods.start({ app: "guarded", proxy: true, serviceAccount: "guarded" });
		const workload = new KubernetesWorkload(pods, breaker, pod);
		this.#running = workload;
		await this.#untilGuarded(pod);
		await workload.until("spareReady");
		await workload.setClock();
		await pods.order(breaker, { order: "watchWire", uid: pod.uid, port: servedPort, ignored: [beyond.ip] });
		const load = { newConnections: true, ratePerSecond };
		const outbound = await startLogged(pods, pod, { ...load, ...this.#asHost("keeper", keeper) });
		await pods.order(breaker, { order: "wireFlows", withinMs: limitMs });
		const inbound = await startLogged(pods, caller, { ...load, ...this.#asHost("guarded", guarded) });
		const denied = await startCounted(pods, caller, {
			...this.#asHost("guarded", guarded),
			path: deniedPath,
			ratePerSecond: besideRate,
			newConnections: true,
		});
		const strange = { host: pod.ip, ratePerSecond: besideRate, newConnections: true };
		const stranger = await startCounted(pods, beyond, strange);
		return {
			stop: async () => {
				const report = await this.#report({ inbound, outbound });
				const [refused, served] = [await denied.stop(), goodAnswers(await stranger.stop())];
				const wire = await pods.order<WireReport & { dropped: number }>(breaker, { order: "wireReport" });
				if (!refused.byOutcome["403"]) throw new Error(`no request was denied: ${JSON.stringify(refused.byOutcome)}`);
				if (wire.encrypted === 0 || wire.dropped > 0)
					throw new Error(`the wire was not seen: ${wire.encrypted} encrypted, ${wire.dropped} packets dropped`);
				if (wire.plaintext > 0) console.error(wire.examples.join("\n"));
				return { ...report, plaintext: wire.plaintext + goodAnswers(refused) + served };
			},
		};
	}

	killSidecar(): Promise<number> {
		return this.#workload.break("SIGKILL");
	}

	untilOnSpare(): Promise<void> {
		return this.#workload.until("spare");
	}

	untilOnSidecar(): Promise<void> {
		return this.#workload.until("on");
	}

	bypassByHand(): Promise<void> {
		return this.#workload.bypass();
	}

	restoreByHand(): Promise<void> {
		return this.#workload.restore();
	}

	get #workload(): KubernetesWorkload {
		if (!this.#running) throw new Error("no load runs");
		return this.#running;
	}

	/** It is called and calls, and its policies are in force. */
	async #untilGuarded(pod: DrillPod): Promise<void> {
		const { pods } = this.#place;
		const { beyond, caller, guarded, keeper } = this.#around;
		const asks = (from: DrillPod, service: string, host: string, path: string, wanted: number) => async () => {
			const order = { order: "ask", port: servedPort, path, ...this.#asHost(service, host) } as const;
			return (await pods.order<{ status: number }>(from, order)).status === wanted;
		};
		await untilAnswered(pods, "the workload is called and calls, as its policies say", [
			asks(caller, "guarded", guarded, "/get", 200),
			asks(caller, "guarded", guarded, deniedPath, 403),
			asks(pod, "keeper", keeper, "/get", 200),
			asks(beyond, "guarded", pod.ip, "/get", 0),
		]);
	}

	#asHost(service: string, host: string) {
		return { host, headers: { host: `${service}.${this.#place.pods.options.namespace}.svc:${servedPort}` } };
	}

	async #report(senders: Readonly<Record<string, Sender<readonly SentRequest[]>>>): Promise<DrillReport> {
		const { faultUs } = this.#workload;
		const sides: Record<string, SideReport> = {};
		const all: SentRequest[] = [];
		for (const [name, sender] of Object.entries(senders)) {
			const requests = await sender.stop();
			if (!requests.some((one) => isGood(one) && (faultUs === undefined || one.endUs < faultUs)))
				throw new Error(`nothing came through ${name} before the fault`);
			const { gapMs } = sideReport(requests, faultUs === undefined ? undefined : faultUs - beforeFaultUs);
			sides[name] = { ...sideReport(requests, undefined, faultUs), gapMs };
			all.push(...requests);
		}
		return {
			...loggedReport(all, sides),
			plaintext: 0,
			strays: all.filter((one) => faultUs !== undefined && !isGood(one) && one.endUs < faultUs).length,
		};
	}
}

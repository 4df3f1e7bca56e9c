// The node's spare Envoy, at work. In: pods, what their sidecars accept, their certificates and policies. Out: one Envoy that
// listens in every pod's namespace, and for each pod word when it can take the pod's connections, and when it no longer can.

import type { WorkloadKeyPair } from "../../envoy/secret/workload-secrets.ts";
import { proxyUid } from "../../hotswitch/render-redirect.ts";
import type { AcceptedChange } from "../../hotswitch/spare/accepted-config.ts";
import { sparePorts } from "../../hotswitch/spare/inside-pod.ts";
import { SparePods } from "../../hotswitch/spare/spare-pods.ts";
import { type SpareSeen, spareServing } from "../../hotswitch/spare/spare-serving.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { noMetrics } from "../../runtime/metrics.ts";
import type { ProxyConfig } from "../../xds/resource.ts";
import type { XdsServer } from "../../xds/wire/config-source.ts";
import { startXdsServer } from "../../xds/wire/xds-server.ts";
import { type EnvoyAdmin, envoyAdmin } from "../envoy-admin.ts";
import type { IpPort } from "../plan/host-port.ts";
import type { PodSpec } from "../plan/pod-spec.ts";
import { spareBootstrap, spareId } from "../plan/spare-bootstrap.ts";
import type { SparePaths } from "../plan/spare-paths.ts";
import { secureSocket } from "../unix-server.ts";
import { askSpareListeners } from "./ask-spare.ts";
import { listensInside } from "./listens-inside.ts";
import { NamespaceLinks } from "./namespace-links.ts";
import { SpareEnvoy } from "./spare-envoy.ts";

export type SpareWord = { readonly type: "spareUp" } | { readonly type: "spareDown"; readonly because: string };

export interface NodeSpareOptions {
	readonly nodeName: string;
	readonly envoy: string;
	readonly paths: SparePaths;
	readonly resolvers?: readonly IpPort[];
	/** Undefined while the pod has no certificate. */
	readonly keyPairOf: (uid: string) => WorkloadKeyPair | undefined;
	/** Said for each pod when it changes, the first time as soon as it is known. */
	readonly tell: (uid: string, word: SpareWord) => void;
}

interface Served {
	readonly pod: PodSpec;
	/** Absent: the spare cannot enter the pod's namespace. */
	readonly link?: string;
	told?: "up" | "down";
	because: string;
	/** Since when the spare has not taken what it should have. */
	pendingSinceMs?: number;
}

export interface SparePodStatus {
	readonly uid: string;
	/** `default/reviews-v1-abc` */
	readonly pod: string;
	readonly serves: boolean;
	readonly because: string;
}

/** Changes that come together go out together. */
const gatherMs = 5;
const lookAgainMs = 50;
const lookAlwaysMs = 2_000;
/** How long a change may take until what the spare had before counts for nothing. */
const pendingMostMs = 5_000;

export class NodeSpare {
	readonly #options: NodeSpareOptions;
	readonly #clock: Clock;
	readonly #log: Log;
	readonly #id: string;
	readonly #pods = new SparePods();
	readonly #served = new Map<string, Served>();
	readonly #links: NamespaceLinks;
	readonly #envoy: SpareEnvoy;
	readonly #admin: EnvoyAdmin;
	#server: XdsServer | undefined;
	/** All pods of the earlier agent are known: until then the spare is told nothing. */
	#begun = false;
	#closed = false;
	#cancelPublish: Cancel | undefined;
	#cancelLook: Cancel = () => {};
	#looking: Promise<void> | undefined;
	#lookAgain = false;

	constructor(options: NodeSpareOptions, { clock, log }: { readonly clock: Clock; readonly log: Log }) {
		this.#options = options;
		this.#clock = clock;
		this.#log = log;
		this.#id = spareId(options.nodeName);
		this.#links = new NamespaceLinks(options.paths.namespaces);
		this.#admin = envoyAdmin(options.paths.adminSocket);
		this.#envoy = new SpareEnvoy({
			clock,
			log,
			envoy: options.envoy,
			paths: options.paths,
			bootstrap: spareBootstrap(options),
			onHeard: () => this.#look(),
			onLost: (because) => this.#lost(because),
		});
	}

	get pid(): number | undefined {
		return this.#envoy.pid;
	}

	get restarts(): number {
		return this.#envoy.restarts;
	}

	statuses(): readonly SparePodStatus[] {
		return [...this.#served].map(([uid, { pod, told, because }]) => ({
			uid,
			pod: `${pod.namespace}/${pod.name}`,
			serves: told === "up",
			because,
		}));
	}

	add(pod: PodSpec): void {
		const linked = this.#links.link(pod.uid, pod.netns);
		this.#served.set(pod.uid, {
			pod,
			because: linked.ok ? "nothing of the pod is known" : linked.because,
			...(linked.ok ? { link: linked.link } : {}),
		});
		if (!linked.ok) return;
		this.#pods.add(pod.uid, linked.link);
		this.certificateChanged(pod.uid);
	}

	remove(uid: string): void {
		const served = this.#served.get(uid);
		this.#served.delete(uid);
		this.#pods.remove(uid);
		if (served?.link !== undefined) this.#links.remove(served.link);
		this.#changed();
	}

	/** What the pod's sidecar had accepted when an earlier agent ended. */
	restore(uid: string, kept: ProxyConfig): void {
		if (this.#pods.restore(uid, kept)) this.#changed();
	}

	accept(uid: string, change: AcceptedChange): void {
		if (this.#pods.accept(uid, change)) this.#changed();
	}

	allow(uid: string, isAllowed: boolean): void {
		if (this.#pods.allow(uid, isAllowed)) this.#changed();
	}

	certificateChanged(uid: string): void {
		if (this.#pods.certify(uid, this.#options.keyPairOf(uid))) this.#changed();
	}

	/** Once the pods of an earlier agent are known. */
	async begin(): Promise<void> {
		const { paths } = this.#options;
		await this.#envoy.prepare();
		this.#links.keep([...this.#served.values()].flatMap(({ link }) => link ?? []));
		this.#server = await startXdsServer(
			{ listen: { socketPath: paths.xdsSocket }, maxStreamAgeMs: 0 },
			{
				clock: this.#clock,
				log: this.#log,
				metrics: noMetrics,
				onAnswered: () => this.#look(),
				source: {
					connect: ({ id }) =>
						id === this.#id
							? { ok: true, proxyId: id }
							: { ok: false, grpcStatus: 7, because: `${id} is not this machine's spare` },
					configFor: () => this.#pods.config(),
					disconnected: () => {},
				},
			},
		);
		await secureSocket(paths.xdsSocket, { mode: 0o660, gid: proxyUid });
		this.#begun = true;
		this.#changed();
	}

	/** The spare goes on. */
	async close(): Promise<void> {
		this.#end();
		this.#envoy.release();
		await this.#server?.close();
	}

	async stop(): Promise<void> {
		this.#end();
		await this.#envoy.stop();
		await this.#server?.close();
	}

	#end(): void {
		this.#closed = true;
		this.#cancelPublish?.();
		this.#cancelLook();
	}

	#changed(): void {
		if (!this.#begun || this.#closed || this.#cancelPublish) return;
		this.#cancelPublish = this.#clock.after(gatherMs, () => {
			this.#cancelPublish = undefined;
			this.#publish();
		});
	}

	#publish(): void {
		this.#pods.config();
		this.#server?.publish([this.#id]);
		for (const served of this.#served.values()) if (served.told !== "up") served.pendingSinceMs = undefined;
		if (this.#pods.isWanted)
			this.#envoy.start().catch((error: unknown) => {
				this.#log.error({ because: String(error) }, "the spare cannot be started");
			});
		this.#look();
	}

	#lost(because: string): void {
		if (this.#closed) return;
		for (const uid of this.#served.keys()) this.#say(uid, "down", because);
	}

	/** One look after the other; what happens meanwhile makes another. */
	#look(): void {
		if (this.#closed || !this.#begun) return;
		if (this.#looking) {
			this.#lookAgain = true;
			return;
		}
		this.#cancelLook();
		this.#looking = this.#lookNow()
			.catch((error: unknown) => this.#log.warn({ because: String(error) }, "the spare was not understood"))
			.finally(() => {
				this.#looking = undefined;
				if (this.#closed) return;
				const isPending = [...this.#served.values()].some((served) => this.#pendingForMs(served) < pendingMostMs);
				const afterMs = this.#lookAgain ? gatherMs : isPending ? lookAgainMs : lookAlwaysMs;
				this.#lookAgain = false;
				this.#cancelLook = this.#clock.after(afterMs, () => this.#look());
			});
	}

	async #lookNow(): Promise<void> {
		const listeners = this.#envoy.isHeard ? await askSpareListeners(this.#admin) : undefined;
		const refusals = (this.#server?.sessions() ?? []).flatMap(({ types }) =>
			types.flatMap(({ typeUrl, error }) => (error && !typeUrl.endsWith(".Listener") ? [error.message] : [])),
		);
		const seen = listeners && { listeners, refusals };
		await Promise.all([...this.#served].map(([uid, served]) => this.#judge(uid, served, seen)));
	}

	async #judge(uid: string, served: Served, seen: SpareSeen | undefined): Promise<void> {
		if (served.link === undefined) return this.#say(uid, "down", served.because);
		const wanted = this.#pods.wanted(uid);
		if (!wanted.ok) return this.#wait(uid, served, wanted.because);
		if (!seen || !this.#envoy.isHeard) return this.#wait(uid, served, "the spare is starting");
		const serving = spareServing(uid, wanted.listeners, seen);
		switch (serving.state) {
			case "refused":
				return this.#say(uid, "down", serving.because);
			case "pending":
				return this.#wait(uid, served, serving.because);
			case "serves": {
				if (served.told !== "up") {
					const { link } = served;
					const open = await Promise.all([...sparePorts.values()].map((port) => listensInside(link, port)));
					if (!open.every((isOpen) => isOpen))
						return this.#wait(uid, served, "the spare does not accept connections in the pod's network namespace");
					// It may have ended, or the pod may have gone, while it was asked.
					if (!this.#envoy.isHeard || this.#served.get(uid) !== served) return;
				}
				return this.#say(uid, "up", "the spare listens");
			}
			default:
				return serving satisfies never;
		}
	}

	/** Infinity when nothing is pending. */
	#pendingForMs({ pendingSinceMs }: Served): number {
		return pendingSinceMs === undefined ? Number.POSITIVE_INFINITY : this.#clock.monotonicMs() - pendingSinceMs;
	}

	#wait(uid: string, served: Served, because: string): void {
		served.pendingSinceMs ??= this.#clock.monotonicMs();
		served.because = because;
		if (this.#pendingForMs(served) >= pendingMostMs) this.#say(uid, "down", because);
	}

	#say(uid: string, told: "up" | "down", because: string): void {
		const served = this.#served.get(uid);
		if (!served || this.#closed) return;
		const before = served.told;
		served.because = because;
		if (told === "up") served.pendingSinceMs = undefined;
		if (before === told) return;
		served.told = told;
		const { namespace, name } = served.pod;
		if (told === "up") this.#log.info({ pod: `${namespace}/${name}` }, "the spare can take the pod's connections");
		else if (before === "up")
			this.#log.warn({ pod: `${namespace}/${name}`, because }, "the spare cannot take the pod's connections");
		this.#options.tell(uid, told === "up" ? { type: "spareUp" } : { type: "spareDown", because });
	}
}

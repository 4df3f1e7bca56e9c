// The node's spare Envoy, at work. In: pods, what their sidecars accept, their certificates and policies. Out: one Envoy that
// listens in every pod's namespace, and for each pod word when it can take the pod's connections, and when it no longer can.

import type { WorkloadKeyPair } from "../../envoy/secret/workload-secrets.ts";
import { proxyUid } from "../../hotswitch/render-redirect.ts";
import type { AcceptedChange } from "../../hotswitch/spare/accepted-config.ts";
import { sparePorts } from "../../hotswitch/spare/inside-pod.ts";
import { SparePods } from "../../hotswitch/spare/spare-pods.ts";
import { type SpareSeen, type SpareServing, spareServing } from "../../hotswitch/spare/spare-serving.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { noMetrics } from "../../runtime/metrics.ts";
import { type ProxyConfig, typeUrls } from "../../xds/resource.ts";
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
import { type LinkedNamespace, NamespaceLinks } from "./namespace-links.ts";
import { SpareConfirmed } from "./spare-confirmed.ts";
import { SpareEnvoy } from "./spare-envoy.ts";
import { type SparePodStatus, type SpareWord, SpareWords } from "./spare-words.ts";

export interface NodeSpareOptions {
	readonly nodeName: string;
	readonly envoy: string;
	readonly paths: SparePaths;
	readonly resolvers?: readonly IpPort[];
	/** Undefined while the pod has no certificate. */
	readonly keyPairOf: (uid: string) => WorkloadKeyPair | undefined;
	/** Sees to it that the spare's process outlives the agent's. Default: nothing has to be done. */
	readonly hold?: (pid: number) => void;
	/** Said for each pod when it changes, the first time as soon as it is known. */
	readonly tell: (uid: string, word: SpareWord) => void;
	/** It has confirmed or refused secrets, of whichever pod. */
	readonly onSecretsAnswered?: () => void;
}

/** Changes that come together go out together. */
const gatherMs = 5;
const lookAgainMs = 50;
const lookAlwaysMs = 2_000;
export class NodeSpare {
	readonly #options: NodeSpareOptions;
	readonly #clock: Clock;
	readonly #log: Log;
	readonly #id: string;
	readonly #pods = new SparePods();
	readonly #words: SpareWords;
	readonly #namespaces = new Map<string, LinkedNamespace>();
	readonly #links: NamespaceLinks;
	readonly #envoy: SpareEnvoy;
	readonly #admin: EnvoyAdmin;
	readonly #confirmed: SpareConfirmed;
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
		this.#words = new SpareWords(options.tell, { clock, log });
		this.#links = new NamespaceLinks(options.paths.namespaces);
		this.#admin = envoyAdmin(options.paths.adminSocket);
		this.#confirmed = new SpareConfirmed({ spareId: this.#id, server: () => this.#server, admin: this.#admin });
		this.#envoy = new SpareEnvoy({
			clock,
			log,
			envoy: options.envoy,
			paths: options.paths,
			bootstrap: spareBootstrap(options),
			...(options.hold ? { hold: options.hold } : {}),
			onHeard: () => this.#look(),
			onLost: (because) => !this.#closed && this.#words.lost(because),
		});
	}

	get pid(): number | undefined {
		return this.#envoy.pid;
	}

	get restarts(): number {
		return this.#envoy.restarts;
	}

	statuses(): readonly SparePodStatus[] {
		return this.#words.statuses();
	}

	add(pod: PodSpec): void {
		const linked = this.#links.link(pod.uid, pod.netns);
		this.#namespaces.set(pod.uid, linked);
		this.#words.add(pod.uid, `${pod.namespace}/${pod.name}`);
		if (linked.ok) this.#pods.add(pod.uid, linked.link);
		this.certificateChanged(pod.uid);
	}

	remove(uid: string): void {
		const linked = this.#namespaces.get(uid);
		this.#namespaces.delete(uid);
		this.#words.remove(uid);
		this.#pods.remove(uid);
		if (linked?.ok) this.#links.remove(linked.link);
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

	/** At once: nothing is gathered with it. */
	certificateChanged(uid: string): void {
		if (!this.#pods.certify(uid, this.#options.keyPairOf(uid)) || !this.#begun || this.#closed) return;
		this.#cancelPublish?.();
		this.#cancelPublish = undefined;
		this.#publish();
	}

	/** Why the spare does not show the pod's certificate or trust the pod's roots as they are now; undefined when it does. */
	async lackOfTrust(uid: string): Promise<string | undefined> {
		return this.#confirmed.lackOfTrust(this.#pods.secrets(uid));
	}

	/** Once the pods of an earlier agent are known. */
	async begin(): Promise<void> {
		const { paths } = this.#options;
		await this.#envoy.prepare();
		this.#links.keep([...this.#namespaces.values()].flatMap((linked) => (linked.ok ? [linked.link] : [])));
		this.#server = await startXdsServer(
			{ listen: { socketPath: paths.xdsSocket }, maxStreamAgeMs: 0 },
			{
				clock: this.#clock,
				log: this.#log,
				metrics: noMetrics,
				onAnswered: (_, typeUrl) => {
					this.#look();
					if (typeUrl === typeUrls.secret) this.#options.onSecretsAnswered?.();
				},
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
		// First of all, so that no connection is sent to one that ends.
		this.#words.lost("the spare is stopped");
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
		this.#words.changed();
		if (this.#pods.isWanted)
			this.#envoy.start().catch((error: unknown) => {
				this.#log.error({ because: String(error) }, "the spare cannot be started");
			});
		this.#look();
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
				const afterMs = this.#lookAgain ? gatherMs : this.#words.isPending ? lookAgainMs : lookAlwaysMs;
				this.#lookAgain = false;
				this.#cancelLook = this.#clock.after(afterMs, () => this.#look());
			});
	}

	async #lookNow(): Promise<void> {
		// Before Envoy is asked: what it confirms afterwards may be warming by then.
		const wanted = [...this.#namespaces.keys()].map((uid) => this.#pods.wanted(uid));
		const hasConfirmed = this.#confirmed.listeners(wanted.flatMap((one) => (one.ok ? one.listeners : [])));
		const listeners = this.#envoy.isHeard ? await askSpareListeners(this.#admin) : undefined;
		const refusals = (this.#server?.sessions() ?? []).flatMap(({ types }) =>
			types.flatMap(({ typeUrl, error }) => (error && !typeUrl.endsWith(".Listener") ? [error.message] : [])),
		);
		const seen = listeners && { listeners, refusals, hasConfirmed };
		if (this.#closed) return;
		for (const [uid, linked] of this.#namespaces) this.#words.judged(uid, this.#judge(uid, linked, seen));
	}

	#judge(uid: string, linked: LinkedNamespace, seen: SpareSeen | undefined): SpareServing {
		if (!linked.ok) return { state: "refused", because: linked.because };
		const wanted = this.#pods.wanted(uid);
		if (!wanted.ok) return { state: "pending", because: wanted.because };
		if (!seen || !this.#envoy.isHeard) return { state: "pending", because: "the spare is starting" };
		const serving = spareServing(uid, wanted.listeners, seen, this.#confirmed.secretLack(this.#pods.secrets(uid)));
		if (serving.state !== "serves" || this.#words.isUp(uid)) return serving;
		return [...sparePorts.values()].every((port) => listensInside(linked.link, port))
			? serving
			: { state: "pending", because: "the spare does not listen in the pod's network namespace" };
	}
}

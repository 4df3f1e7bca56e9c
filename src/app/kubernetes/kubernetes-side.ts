// Everything of a control plane that has to do with its Kubernetes cluster, put together: the API server as the source of resources,
// the Lease that says which replica leads, and the parts that exist only there.

import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { KubernetesClientDeps } from "../../kubernetes/client/kubernetes-client.ts";
import { parseControlPlane } from "../../replicas/control-planes-codec.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { MetricsRegistry } from "../../runtime/metrics.ts";
import { type Change, keyOfChange } from "../../snapshot/change.ts";
import { KubernetesSource, type KubernetesSourceParts } from "../../sources/kubernetes/kubernetes-source.ts";
import { sourceRecordFile } from "../../sources/kubernetes/source-record-file.ts";
import type { UnaryService } from "../../xds/wire/unary-service.ts";
import type { ApiRoute } from "../api/api-server.ts";
import type { HostPort } from "../control/control-options.ts";
import type { NodeCallerRules } from "../control/node-caller.ts";
import type { EditFailure } from "../control/resource-editor.ts";
import { ClusterAuthority, type ClusterAuthorityOptions } from "./cluster-authority.ts";
import { closeControlParts, startControlParts } from "./control-on-kubernetes.ts";
import type { ControlPart, ControlPartContext } from "./control-part.ts";
import type { KubernetesControlOptions } from "./kubernetes-control-options.ts";
import { LeaseLeadership } from "./lease-leadership.ts";
import { openKubernetes } from "./open-kubernetes.ts";
import { replicasIn } from "./replicas-in-slices.ts";

export type KubernetesSideParts = Pick<KubernetesSourceParts, "onChanges" | "onProblems"> & {
	readonly clock: Clock;
	readonly log: Log;
	readonly metrics: MetricsRegistry;
	readonly version: string;
	/** Where what is known is kept for the process after this one; absent: that one waits for the API server. */
	readonly dataDirectory?: string;
	/** For tests, whose API server is in another network namespace. */
	readonly connect?: KubernetesClientDeps["connect"];
};

/** Throws AccessError when it is not known where the API server is. */
export class KubernetesSide {
	readonly source: KubernetesSource;
	readonly leadership: LeaseLeadership;
	readonly #options: KubernetesControlOptions;
	readonly #client: ReturnType<typeof openKubernetes>;
	readonly #given: KubernetesSideParts;
	#authority: ClusterAuthority | undefined;
	#waitsForAuthority: string | undefined;
	#parts: readonly ControlPart[] = [];
	#onSlices: () => void = () => {};

	constructor(options: KubernetesControlOptions, parts: KubernetesSideParts) {
		this.#options = options;
		this.#given = parts;
		const { clock, connect, dataDirectory, version } = parts;
		this.#client = openKubernetes(options, "control", { clock, ...(connect ? { connect } : {}) });
		this.source = new KubernetesSource({
			...parts,
			revision: options.revision,
			client: this.#client,
			...(dataDirectory === undefined ? {} : { store: sourceRecordFile(join(dataDirectory, "source.gz"), version) }),
			onChanges: (changes) => {
				parts.onChanges(changes);
				this.#lookForReplicas(changes);
			},
		});
		const lease = { namespace: options.namespace, lease: leaseName(options), identity: identityOf(options) };
		this.leadership = new LeaseLeadership(lease, { ...parts, client: this.#client });
	}

	/** What keeps this control plane from serving; undefined: nothing. */
	waitingFor(): string | undefined {
		return this.source.waitingFor() ?? this.#waitsForAuthority;
	}

	/** Resolves when this replica has the certificate authority of all. */
	async openAuthority(options: Pick<ClusterAuthorityOptions, "directory" | "authority">): Promise<ClusterAuthority> {
		const { namespace, pod: replica } = this.#options;
		const opened = new ClusterAuthority(
			{ ...options, namespace, replica },
			{
				...this.#given,
				client: this.#client,
				isLeader: () => this.leadership.isLeader,
				isAway: () => this.source.isRestored,
				onWaiting: (because) => {
					this.#waitsForAuthority = because;
				},
			},
		);
		this.#authority = opened;
		await opened.ready();
		return opened;
	}

	/** When everything has been read: the parts, then the election. */
	async start(
		context: Omit<ControlPartContext, "client" | "options" | "source" | "leadership" | "dataDirectory">,
	): Promise<void> {
		const { leadership, source } = this;
		const { dataDirectory } = this.#given;
		const kept = dataDirectory === undefined ? {} : { dataDirectory };
		const whole = { ...context, ...kept, client: this.#client, options: this.#options, source, leadership };
		this.#parts = await startControlParts(whole);
		leadership.start();
	}

	/** Where the other replicas are reached, now and whenever that changes. `own`: this one's `HOST:PORT`; all have its port. */
	followReplicas(own: string, onReplicas: (others: readonly HostPort[]) => void): void {
		const known = parseControlPlane(own);
		if (!known) return;
		let last = "";
		this.#onSlices = () => {
			const others = replicasIn(this.source.inForce("EndpointSlice"), this.#options, known);
			const text = JSON.stringify(others);
			if (text === last) return;
			last = text;
			onReplicas(others);
		};
		this.#onSlices();
	}

	#lookForReplicas(changes: readonly Change[]): void {
		const prefix = `EndpointSlice/${this.#options.namespace}/`;
		if (changes.some((change) => keyOfChange(change).startsWith(prefix))) this.#onSlices();
	}

	/** Calls over the xDS port that its parts answer. */
	services(rules: NodeCallerRules): readonly (readonly [string, UnaryService])[] {
		return this.#parts.flatMap((part) => [...(part.services?.(rules) ?? [])]);
	}

	/** Those of its parts, asked for before they have started. */
	routes(): readonly ApiRoute[] {
		return [
			{
				method: "GET",
				path: "/api/v1/lost-nodes",
				answer: async (request) => {
					const own = this.#parts.flatMap((part) => part.routes?.() ?? []);
					const route = own.find(({ path }) => path === "/api/v1/lost-nodes");
					return route ? route.answer(request) : { status: 503, json: { message: "it is still starting" } };
				},
			},
		];
	}

	/** Another replica leads from now on. */
	leave(): Promise<void> {
		return this.leadership.stop();
	}

	async close(): Promise<void> {
		await closeControlParts(this.#parts);
		await this.#authority?.close();
		this.source.close();
		this.#client.close();
	}
}

/**
 * A Pod has one name for its life, and one process at a time: one that starts again may go on with the Lease. Outside of a cluster two
 * processes may be called the same.
 */
function identityOf({ kubeconfig, pod }: KubernetesControlOptions): string {
	return kubeconfig === undefined ? pod : `${pod}_${randomUUID()}`;
}

/** Revisions of the control plane beside each other have a leader each. */
function leaseName({ revision }: KubernetesControlOptions): string {
	return revision === "default" ? "keepmesh-control" : `keepmesh-control-${revision}`;
}

const elsewhere: EditFailure = {
	ok: false,
	message: "the resources of this control plane are in the Kubernetes API, where you have rights of your own",
	next: "kubectl apply -f FILE, or keepmesh apply --kubernetes -f FILE",
};

/** A control plane on Kubernetes writes no resources: who asks it has not shown what he may do. */
export const noEditor = {
	apply: async (): Promise<EditFailure> => elsewhere,
	remove: async (): Promise<EditFailure> => elsewhere,
};

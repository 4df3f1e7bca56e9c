// The process that follows a Kubernetes cluster for the virtual IPs of one node. In: what the API server says, files of the node,
// roles of the vip process. Out: the file that says what the node is to hold; statuses and allocations in the cluster; leases on
// behalf of the vip process. While no API server answers, all of it goes on from what was known last.

import { join } from "node:path";
import { configMaps } from "../../kubernetes/client/api-resources.ts";
import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import { LeaseElection } from "../../kubernetes/election/lease-election.ts";
import { confParameters } from "../../kubernetes/vip/conf-parameters.ts";
import { type ClusterState, type NodePlan, planNode } from "../../kubernetes/vip/node-plan.ts";
import { listenOnSocket } from "../../node/unix-server.ts";
import { type Cancel, realClock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { type ParsedConf, parseKeepalivedConf } from "../../vip/keepalived-conf/parse-keepalived-conf.ts";
import { parseConfFile } from "../parse-conf-file.ts";
import { interfaceFor } from "../vip/interface-for.ts";
import { createLeaseServer } from "../vip/lease-socket.ts";
import { leaseSocketName } from "../vip/lease-socket-name.ts";
import { vipSocketName } from "../vip/vip-socket-name.ts";
import { ClusterMirror } from "./cluster-mirror.ts";
import { FollowedObjects } from "./followed-objects.ts";
import { KubernetesLeaseStore } from "./kubernetes-lease-store.ts";
import { firstLineOf, type LocalFiles, readLocalFiles, textOf } from "./local-files.ts";
import { ObjectPatcher } from "./object-patcher.ts";
import { PreparedWriter } from "./prepared-writer.ts";
import { type RememberedCluster, readRemembered, remember, rememberedFileName } from "./remembered-cluster.ts";
import { SecretKeys } from "./secret-keys.ts";
import { AllocationEvents } from "./tell-events.ts";
import { openVipLink, type VipLink } from "./vip-link.ts";
import { writeAllocations, writeOwnStatuses } from "./write-statuses.ts";

export interface VipFeedOptions {
	readonly node: string;
	/** Of the vip process. */
	readonly state: string;
	/** Keepmesh's own. */
	readonly namespace: string;
	/** Services without a `loadBalancerClass` are given addresses as well. */
	readonly takesClassless: boolean;
	/** Directory of VirtualIPs that run with or without a cluster. */
	readonly resources?: string;
	/** A keepalived.conf: one of this node, or one of the cluster. */
	readonly conf?: string | { readonly namespace: string; readonly name: string };
}

/** Changes that come together are planned together. */
const settleMs = 15;
/** Interfaces and files may have changed without a word. */
const lookAgainMs = 10_000;
/** Of whoever gives addresses to Services. */
const leaderLease = "keepmesh-vip";

export class VipFeed {
	readonly #options: VipFeedOptions;
	readonly #client: KubernetesClient;
	readonly #log: Log;
	#remembered: RememberedCluster;
	readonly #mirror: ClusterMirror;
	readonly #keys: SecretKeys;
	readonly #confs: FollowedObjects<string> | undefined;
	readonly #writer: PreparedWriter;
	readonly #patcher: ObjectPatcher;
	readonly #events: AllocationEvents;
	readonly #election: LeaseElection;
	readonly #vip: VipLink;
	readonly #leases: ReturnType<typeof createLeaseServer>;
	#files: LocalFiles = { virtualIps: [], problems: [] };
	#stale: { readonly since: string; readonly because: string } | undefined;
	#cancelLook: Cancel | undefined;
	#cancelFiles: Cancel = () => {};
	#busy: Promise<void> = Promise.resolve();

	constructor(options: VipFeedOptions, client: KubernetesClient, log: Log) {
		const { conf, namespace, node, state, takesClassless } = options;
		this.#options = options;
		this.#client = client;
		this.#log = log;
		this.#remembered = readRemembered(join(state, rememberedFileName));
		const onChange = (): void => this.#lookSoon();
		const deps = { client, clock: realClock, log, onChange };
		this.#mirror = new ClusterMirror({ takesClassless, lastGood: this.#remembered.state }, deps);
		this.#keys = new SecretKeys(new Map(Object.entries(this.#remembered.keys)), deps);
		this.#confs =
			typeof conf === "object"
				? new FollowedObjects({ resource: configMaps, ...conf, keep: (raw) => confIn(raw.data, node) }, deps)
				: undefined;
		this.#writer = new PreparedWriter(state, log, () => this.#vip.reload());
		this.#patcher = new ObjectPatcher({ client, clock: realClock, log, onRetry: onChange });
		this.#events = new AllocationEvents(client, node, log);
		const identity = `${node}-${process.pid}-${Date.now().toString(36)}`;
		this.#election = new LeaseElection(
			{ client, namespace, lease: leaderLease, identity },
			{
				onGained: () => {
					log.info({}, "this node gives addresses to Services");
					onChange();
				},
				onLost: (because) => log.info({ because }, "this node no longer gives addresses to Services"),
			},
		);
		this.#vip = openVipLink(join(state, vipSocketName), realClock, onChange);
		this.#leases = createLeaseServer(new KubernetesLeaseStore(client, Date.now));
	}

	async start(): Promise<void> {
		await listenOnSocket(this.#leases, join(this.#options.state, leaseSocketName), { mode: 0o600 });
		this.#election.start();
		await this.#readFiles();
	}

	async close(): Promise<void> {
		this.#cancelLook?.();
		this.#cancelFiles();
		this.#vip.close();
		this.#mirror.close();
		this.#keys.close();
		this.#confs?.close();
		await this.#busy;
		await this.#election.stop();
		this.#leases.close();
		this.#client.close();
	}

	async #readFiles(): Promise<void> {
		this.#files = await readLocalFiles(this.#options.resources);
		this.#lookSoon();
		this.#cancelFiles = realClock.after(lookAgainMs, () => void this.#readFiles());
	}

	#lookSoon(): void {
		this.#cancelLook ??= realClock.after(settleMs, () => {
			this.#cancelLook = undefined;
			this.#busy = this.#busy
				.then(() => this.#look())
				.catch((error: unknown) => this.#log.error({ because: String(error) }, "cannot work out what to hold"));
		});
	}

	async #look(): Promise<void> {
		const live = this.#mirror.state;
		const cluster = live ?? this.#remembered.state;
		const { text, parsed } = this.#conf(cluster);
		const plan = this.#plan(cluster, parsed);
		const stale = this.#staleSince();
		const prepared = {
			config: plan.config,
			problems: [...this.#files.problems, ...plan.problems],
			virtualServers: parsed?.servers.servers.length ?? 0,
			...(stale ? { stale } : {}),
		};
		await this.#writer.write(prepared, text);
		if (!live) return;
		await this.#remember(live, text);
		this.#writeIntoCluster(live, plan);
	}

	#plan(cluster: ClusterState, keepalived: ParsedConf | undefined): NodePlan {
		const { node, namespace } = this.#options;
		return planNode({
			cluster,
			fileVirtualIps: this.#files.virtualIps,
			...(keepalived ? { keepalived } : {}),
			facts: {
				nodeName: node,
				interfaceFor,
				key: ({ keyFile, secretName, namespace: of }) =>
					keyFile === undefined ? this.#keys.key(of, secretName ?? "") : firstLineOf(keyFile),
			},
			ownNamespace: namespace,
		});
	}

	/** Until the ConfigMap was read, the one that was known last; once it is known to be gone, none. */
	#conf(cluster: ClusterState): { readonly text?: string; readonly parsed?: ParsedConf } {
		const { conf, node } = this.#options;
		if (conf === undefined) return {};
		const parameters = confParameters(cluster.nodes, node);
		if (typeof conf === "string") {
			const text = textOf(conf);
			const parsed = parseConfFile(conf, { configId: node, hostName: node, parameters });
			return text === undefined || !parsed ? {} : { text, parsed };
		}
		const text = this.#confs?.isSynced ? this.#confs.values[0] : this.#remembered.conf;
		if (text === undefined) return {};
		const path = `ConfigMap ${conf.namespace}/${conf.name}`;
		return { text, parsed: parseKeepalivedConf(path, text, { configId: node, hostName: node, parameters }) };
	}

	async #remember(state: ClusterState, conf: string | undefined): Promise<void> {
		const keys = Object.fromEntries(this.#keys.known);
		const known: RememberedCluster = { state, keys, ...(conf === undefined ? {} : { conf }) };
		if (JSON.stringify(known) === JSON.stringify(this.#remembered)) return;
		await remember(join(this.#options.state, rememberedFileName), known);
		this.#remembered = known;
	}

	#writeIntoCluster(cluster: ClusterState, plan: NodePlan): void {
		const nowIso = new Date().toISOString();
		const { roles } = this.#vip;
		const nodeName = this.#options.node;
		writeOwnStatuses({ nodeName, cluster, plan, roles, owners: this.#mirror.owners, nowIso }, this.#patcher);
		if (!this.#election.isLeader) return;
		this.#events.tell(writeAllocations(cluster, this.#files.virtualIps, this.#patcher), nowIso);
	}

	#staleSince(): { readonly since: string; readonly because: string } | undefined {
		const stale = this.#mirror.stale;
		if (!stale) this.#stale = undefined;
		else if (this.#stale?.because !== stale.because) {
			const since =
				this.#stale?.since ?? new Date(Date.now() - (realClock.monotonicMs() - stale.sinceMs)).toISOString();
			this.#stale = { since, because: stale.because };
		}
		return this.#stale;
	}
}

/** Of this node alone, or of all: the keys `NODE.conf` and `keepalived.conf`. */
function confIn(data: unknown, node: string): string | undefined {
	const texts = (data ?? {}) as Readonly<Record<string, string>>;
	return texts[`${node}.conf`] ?? texts["keepalived.conf"];
}

// The node's part in identity, put together: its own certificate, those of its workloads, the roots, and the SDS server that
// hands them to the Envoys. In: pods as they come and go, trust bundles from the relay. Out: TLS for the relay, secrets.

import type { Socket } from "node:net";
import type { WorkloadKeyPair } from "../envoy/secret/workload-secrets.ts";
import { workloadIdentityHeader } from "../identity/authority/certificate-service.ts";
import { createCertificatePath } from "../identity/certificate-service-codec.ts";
import { nodeStreamId } from "../identity/node-stream.ts";
import type { TrustBundle } from "../identity/trust-bundle.ts";
import type { EnvoyAdmin } from "../node/envoy-admin.ts";
import { ControlCaller, type ControlSecurity } from "../node/identity/control-caller.ts";
import type { HostPort } from "../node/identity/control-trust.ts";
import { renderIdentityMetrics } from "../node/identity/identity-metrics.ts";
import { IdentityStore } from "../node/identity/identity-store.ts";
import type { CertificateStatus } from "../node/identity/kept-certificate.ts";
import { type NodeAccount, NodeIdentity, type NodeIdentityStatus } from "../node/identity/node-identity.ts";
import { type ListsNow, revocationListsAt } from "../node/identity/revocation-lists.ts";
import { type SecretServer, startSecretServer } from "../node/identity/secret-server.ts";
import { TrustBundles } from "../node/identity/trust-bundles.ts";
import { lackOfTrust } from "../node/identity/trust-proof.ts";
import { type Workload, WorkloadCertificates } from "../node/identity/workload-certificates.ts";
import { keepOwnStream, type OwnSubscription } from "../node/own-stream.ts";
import type { Cancel, Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { XdsRelayOptions } from "../xds/wire/xds-relay.ts";

export type NodeSecurity =
	/** The node proves itself to its control planes, and they to it. */
	| {
			readonly mode: "mutualTls";
			/** The join token as it is at this moment; undefined: none. */
			readonly readToken: () => string | undefined;
			/** Where it is looked for, in words. */
			readonly tokenPlace: string;
			/** On Kubernetes: instead of a join token. */
			readonly account?: NodeAccount;
	  }
	/** For tests and closed labs: nothing is proved. Without a trust domain workloads get no certificates. */
	| { readonly mode: "plaintext"; readonly trustDomain?: string };

export interface NodeCertificatesOptions {
	readonly name: string;
	readonly security: NodeSecurity;
	/** Of the identities' files. */
	readonly directory: string;
	readonly upstreams: readonly HostPort[];
}

const lookAtListsMs = 5_000;

export interface IdentityStatus {
	readonly trustDomain?: string;
	/** Absent with plaintext. */
	readonly node?: NodeIdentityStatus;
	readonly workloads: Readonly<Record<string, CertificateStatus>>;
	/** Why Envoys get none of the mesh's revocation lists, where there are some. */
	readonly noRevocation?: string;
	/** Proxies whose trust bundle is not in force yet, and why. */
	readonly pendingTrust: Readonly<Record<string, string>>;
}

export interface NodeCertificatesDeps {
	/** Admin interface of a proxy's Envoy. */
	readonly adminOf: (proxyId: string) => EnvoyAdmin | undefined;
	/** A proxy has another certificate, other roots or other revocation lists. */
	readonly onSecrets?: (proxyId: string) => void;
	/** Why the node's spare Envoy, where it serves the proxy's pod or could, does not use what the proxy should have now. */
	readonly lackOfSpare?: (proxyId: string) => Promise<string | undefined>;
	/** A connection to the control planes that was not possible before may be now. */
	readonly onJoined: () => void;
	readonly clock: Clock;
	readonly log: Log;
}

export class NodeCertificates {
	readonly #options: NodeCertificatesOptions;
	readonly #deps: NodeCertificatesDeps;
	readonly #proxyIds = new Set<string>();
	readonly #store: IdentityStore;
	readonly #caller: ControlCaller;
	readonly #node: NodeIdentity | undefined;
	readonly #workloads: WorkloadCertificates;
	readonly #bundles: TrustBundles;
	#secrets: SecretServer | undefined;
	#endOwnStream: Cancel = () => {};
	#endRevocationWatch: Cancel = () => {};
	#revocation: ReadonlyMap<string, ListsNow> = new Map();
	#noRevocation: string | undefined;

	constructor(options: NodeCertificatesOptions, deps: NodeCertificatesDeps) {
		this.#options = options;
		this.#deps = deps;
		const { clock, log } = deps;
		const { security, upstreams } = options;
		const common = { clock, log, random: Math.random };
		this.#store = new IdentityStore(options.directory, log);
		this.#caller = new ControlCaller({ upstreams, clock });
		if (security.mode === "mutualTls")
			this.#node = new NodeIdentity({
				...common,
				...security,
				name: options.name,
				upstreams,
				store: this.#store,
				caller: this.#caller,
				onRenewed: () => this.#onNodeRenewed(),
			});
		const trustDomain = (): string | undefined =>
			security.mode === "plaintext" ? security.trustDomain : this.#node?.trustDomain;
		this.#workloads = new WorkloadCertificates({
			...common,
			trustDomain,
			createCertificate: (message, uri) => this.#certify(message, uri),
			store: this.#store,
			onRenewed: (proxyId) => {
				this.#publish(proxyId);
				this.#bundles.check(proxyId);
			},
		});
		this.#bundles = new TrustBundles({
			clock,
			log,
			trustDomain,
			onChanged: (proxyId) => this.#onBundle(proxyId),
			lackOf: (proxyId, bundle) => this.#lackOf(proxyId, bundle),
		});
	}

	/** Before any pod: takes what is stored, or begins to join. */
	open(): void {
		this.#node?.open();
	}

	/** Whether workloads get certificates at all. */
	get isOn(): boolean {
		return this.#options.security.mode === "mutualTls" || this.#options.security.trustDomain !== undefined;
	}

	add(proxyId: string, workload: Workload): void {
		if (!this.isOn) return;
		this.#proxyIds.add(proxyId);
		this.#workloads.add(proxyId, workload);
	}

	remove(proxyId: string): void {
		this.#proxyIds.delete(proxyId);
		this.#workloads.remove(proxyId);
		this.#bundles.forget(proxyId);
	}

	/** How to connect to a control plane at this moment; undefined while the node has not joined. */
	security(): ControlSecurity | undefined {
		return this.#node ? this.#node.security() : "plaintext";
	}

	/** When the pods of an earlier agent are known: what belongs to none of them goes, the rest is served. */
	async listen(socketPath: string): Promise<void> {
		if (!this.isOn) return;
		this.#store.keepWorkloads(this.#proxyIds);
		this.#secrets = await startSecretServer(socketPath, {
			admit: (proxyId) => this.#proxyIds.has(proxyId),
			keyPairOf: (proxyId) => this.keyPairOf(proxyId),
			onAnswered: (proxyId) => this.#bundles.check(proxyId),
			clock: this.#deps.clock,
			log: this.#deps.log,
		});
		this.#watchRevocation();
	}

	/** Secrets over a connection that was accepted elsewhere, for this one proxy. */
	accept(socket: Socket, proxyId: string): void {
		if (this.#secrets) this.#secrets.accept(socket, proxyId);
		else socket.destroy();
	}

	/** What the proxy's Envoy is to show and to trust; undefined while it has no certificate. */
	keyPairOf(proxyId: string): WorkloadKeyPair | undefined {
		const key = this.#workloads.keyOf(proxyId);
		if (!key) return undefined;
		const { pem: crlPem } = this.#revocationOf(proxyId);
		const pair = { chainPem: key.chainPem, keyPem: key.keyPem, rootPem: this.#rootsOf(proxyId, key.rootPem) };
		return crlPem === "" ? pair : { ...pair, crlPem };
	}

	/** Id of the stream that the node opens for itself. */
	get ownStreamId(): string {
		return nodeStreamId(this.#options.name);
	}

	/** Another Envoy has answered for secrets of these proxies. */
	spareAnswered(): void {
		this.#bundles.check();
	}

	/** Once the relay listens. The own stream is needed for the node's certificate, or for what is subscribed to on it. */
	follow(relaySocket: string, subscriptions: readonly OwnSubscription[]): void {
		if (!this.#node && subscriptions.length === 0) return;
		this.#endOwnStream = keepOwnStream(relaySocket, this.ownStreamId, subscriptions, this.#deps.clock);
	}

	relayOptions(): Pick<XdsRelayOptions, "tls" | "onTrustBundle"> {
		const node = this.#node;
		return {
			...(node && { tls: () => node.security() }),
			...(this.isOn && { onTrustBundle: (delivery) => this.#bundles.receive(delivery) }),
		};
	}

	status(): IdentityStatus {
		const trustDomain = this.#node?.trustDomain;
		return {
			...(trustDomain !== undefined && { trustDomain }),
			...(this.#node && { node: this.#node.status() }),
			workloads: Object.fromEntries(this.#workloads.statuses()),
			...(this.#noRevocation !== undefined && { noRevocation: this.#noRevocation }),
			pendingTrust: Object.fromEntries(this.#bundles.pending()),
		};
	}

	/** Why a proxy has no certificate; undefined when it has one, or is to have none. */
	whyNone(proxyId: string): string | undefined {
		const status = this.#workloads.statuses().get(proxyId);
		return status?.state === "none" ? (status.because ?? "it has been asked for") : undefined;
	}

	/** Of a proxy, or of all of them and of the node; false when there is no such proxy. */
	renewNow(proxyId: string | undefined): boolean {
		if (proxyId === undefined) this.#node?.renewNow();
		return this.#workloads.renewNow(proxyId);
	}

	/** Of all certificates, or of one proxy's alone. */
	metrics(proxyId?: string): string {
		const workloads = [...this.#workloads.statuses()].filter(([id]) => proxyId === undefined || id === proxyId);
		const node = this.#node && proxyId === undefined ? [["node", this.#node.status()] as const] : [];
		const pending = [...this.#bundles.pending().keys()].filter((id) => proxyId === undefined || id === proxyId);
		return renderIdentityMetrics(new Map([...node, ...workloads]), pending.length, this.#deps.clock.wallMs());
	}

	async close(): Promise<void> {
		this.#endOwnStream();
		this.#endRevocationWatch();
		this.#node?.close();
		this.#workloads.close();
		this.#bundles.close();
		this.#caller.close();
		await this.#secrets?.close();
	}

	#publish(proxyId: string): void {
		this.#secrets?.publish(proxyId);
		this.#deps.onSecrets?.(proxyId);
	}

	#rootsOf(proxyId: string, own: string): string {
		const roots = this.#node?.roots ?? [];
		return this.#bundles.rootsOf(proxyId) ?? (roots.length > 0 ? roots.join("") : own);
	}

	#revocationOf(proxyId: string): ListsNow {
		const lists = this.#bundles.revocationListsOf(proxyId) ?? this.#node?.revocationLists ?? [];
		return revocationListsAt(lists, this.#deps.clock.wallMs());
	}

	/** Lists become valid and expire. */
	#watchRevocation(): void {
		this.#endRevocationWatch();
		const now = [...this.#proxyIds].map((proxyId) => [proxyId, this.#revocationOf(proxyId)] as const);
		const changed = now.filter(([proxyId, { pem }]) => (this.#revocation.get(proxyId)?.pem ?? pem) !== pem);
		for (const [proxyId] of changed) this.#publish(proxyId);
		const because = now.find(([, lists]) => lists.because !== undefined)?.[1].because;
		if (because !== this.#noRevocation) {
			this.#noRevocation = because;
			if (because === undefined) this.#deps.log.info({}, "Envoys look at the mesh's revocation lists again");
			else this.#deps.log.error({ because }, "Envoys do not look at the mesh's revocation lists");
		}
		this.#revocation = new Map(now);
		this.#endRevocationWatch = this.#deps.clock.after(lookAtListsMs, () => this.#watchRevocation());
	}

	#onNodeRenewed(): void {
		this.#workloads.nudge();
		this.#bundles.check();
		this.#deps.onJoined();
	}

	#onBundle(proxyId: string): void {
		this.#node?.trust(this.#bundles.allRoots());
		const lists = this.#bundles.revocationListsOf(proxyId);
		if (lists) this.#node?.revoke(lists);
		this.#watchRevocation();
		const issuerKeyId = this.#bundles.issuerOf(proxyId);
		if (issuerKeyId !== undefined) {
			this.#workloads.wantIssuer(proxyId, issuerKeyId);
			this.#node?.wantIssuer(issuerKeyId);
		}
		this.#publish(proxyId);
	}

	#certify(message: Uint8Array, uri: string): Promise<Uint8Array> {
		const security = this.security();
		if (!security) return Promise.reject(new Error("this node has not joined the mesh"));
		const headers = { [workloadIdentityHeader]: uri };
		return this.#caller.call(security, { path: createCertificatePath, message, headers });
	}

	#lackOf(proxyId: string, bundle: TrustBundle): Promise<string | undefined> {
		const workload = {
			key: this.#workloads.keyOf(proxyId),
			use: this.#secrets?.useOf(proxyId),
			admin: this.#deps.adminOf(proxyId),
			lackOfSpare: async () => this.#deps.lackOfSpare?.(proxyId),
		};
		return lackOfTrust(bundle, this.#node, proxyId === this.ownStreamId ? undefined : workload);
	}
}

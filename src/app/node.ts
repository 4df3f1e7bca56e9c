// The node agent put together: pods with their Envoys, the local API, merged metrics, the relay to the control planes and the
// DNS process. In: options of the command line. Out: a running node whose end leaves Envoys, redirects and DNS running.

import { accessSync, constants, existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { plaintextPorts } from "../envoy/listener/plaintext-ports.ts";
import { virtualInboundListener } from "../envoy/names.ts";
import type { HotSwitchPolicy } from "../hotswitch/hot-switch-policy.ts";
import { proxyUid } from "../hotswitch/render-redirect.ts";
import { layer4ServiceTypeUrl } from "../l4/service-codec.ts";
import { blockedDirectories } from "../node/blocked-directories.ts";
import { startCacheServer } from "../node/cache-server.ts";
import { ConfigCache } from "../node/config-cache.ts";
import { configCacheMetrics } from "../node/config-cache-metrics.ts";
import { ConfigContact } from "../node/config-contact.ts";
import { hotSwitchMetrics } from "../node/hot-switch-metrics.ts";
import { HotSwitchPolicies } from "../node/hot-switch-policies.ts";
import { KeptProcess, type KeptProcessOptions } from "../node/kept-process.ts";
import { ServiceSubscription } from "../node/layer4/service-subscription.ts";
import { createMetricsServer } from "../node/metrics-server.ts";
import { NameTables } from "../node/name-tables.ts";
import { NodeAgent } from "../node/node-agent.ts";
import { createNodeApi } from "../node/node-api.ts";
import { type IpPort, renderIpPort } from "../node/plan/host-port.ts";
import { podBootstrap, proxyIdOf } from "../node/plan/pod-bootstrap.ts";
import { nodePaths } from "../node/plan/pod-paths.ts";
import type { PodSpec } from "../node/plan/pod-spec.ts";
import { listenOnSocket, secureSocket } from "../node/unix-server.ts";
import { type Clock, realClock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import { summarizeDeltaResponse } from "../xds/relay-message.ts";
import { type EncodedResource, typeUrls } from "../xds/resource.ts";
import { startXdsRelay, type XdsRelay } from "../xds/wire/xds-relay.ts";
import { type NodeLayer4Options, openNodeLayer4 } from "./l4/node-layer4.ts";
import { type IdentityStatus, NodeCertificates, type NodeSecurity } from "./node-certificates.ts";
import type { VipSource } from "./vip/load-vip-config.ts";

export interface NodeOptions {
	readonly name: string;
	/** State directory; Envoy's user must be able to pass through it. */
	readonly state: string;
	/** Each control plane. */
	readonly control: readonly { readonly host: string; readonly port: number }[];
	readonly envoy: string;
	/** Default `cluster.local`. */
	readonly domainSuffix?: string;
	/** Absent: no DNS server. */
	readonly dnsListen?: IpPort;
	/** The resolvers for all other names, and for Envoy's own look-ups; without them Envoy takes the machine's. */
	readonly upstreamDns?: readonly IpPort[];
	/** The machine's own proxy; its namespace is the agent's. */
	readonly machine?: PodSpec;
	/** This machine's virtual IPs: a keepalived.conf, or a directory of VirtualIP resources. Default: none. */
	readonly virtualIps?: VipSource;
	/** Services in the kernel. Absent: off. */
	readonly layer4?: Omit<NodeLayer4Options, "otherProblems">;
	/** New connections leave a sidecar that ends or hangs. Absent: it is started again, and nothing else is done. */
	readonly hotSwitch?: HotSwitchPolicy;
	/** How this node and its control planes prove themselves to each other. */
	readonly security: NodeSecurity;
}

/** Something must be put right on the machine first; the message says what, a line each. */
export class NodeCannotStart extends Error {}

export interface RunningNode {
	readonly agent: NodeAgent;
	identity(): IdentityStatus;
	/** Stops the agent; Envoys, redirects and DNS go on unless `stopProxies`. */
	close(options?: { readonly stopProxies?: boolean; readonly graceMs?: number }): Promise<void>;
}

export interface NodeDeps {
	readonly log: Log;
	readonly clock?: Clock;
}

export async function startNode(options: NodeOptions, { log, clock = realClock }: NodeDeps): Promise<RunningNode> {
	const paths = nodePaths(options.state);
	mkdirSync(paths.pods, { recursive: true, mode: 0o711 });
	const unfit = problemsOf(options);
	if (unfit.length > 0) throw new NodeCannotStart(unfit.join("\n"));
	const domainSuffix = options.domainSuffix ?? "cluster.local";
	const names = new NameTables(paths.nameTable, { clock, log });
	const dns = options.dnsListen ? new KeptProcess(dnsProcess(options, options.dnsListen), { clock, log }) : undefined;
	const vip = options.virtualIps ? new KeptProcess(vipProcess(options, options.virtualIps), { clock, log }) : undefined;
	let relay: XdsRelay | undefined;
	const cache = new ConfigCache(paths.configCache, { log, clock });
	const contact = new ConfigContact(paths.contacts, { clock, log, streams: () => relay?.status() ?? [] });
	const hotSwitches = new HotSwitchPolicies(paths.hotSwitchPolicies, log);
	const layer4 = options.layer4 && (await openLayer4(options.layer4, { clock, log }));
	if (layer4) writeFileSync(paths.layer4Mark, "");
	/** By proxy id: the uid of its pod. */
	const pods = new Map<string, string>();
	const certificates = new NodeCertificates(
		{ name: options.name, security: options.security, directory: paths.identity, upstreams: options.control },
		{
			adminOf: (proxyId) => agent.supervisorOf(pods.get(proxyId) ?? "")?.admin,
			onJoined: () => relay?.retryNow(),
			clock,
			log,
		},
	);
	const agent: NodeAgent = new NodeAgent(
		{
			state: options.state,
			envoy: options.envoy,
			bootstrapOf: (pod) =>
				podBootstrap(pod, {
					nodeName: options.name,
					paths,
					domainSuffix,
					...(options.upstreamDns ? { resolvers: options.upstreamDns } : {}),
					certificates: certificates.isOn,
					...(options.hotSwitch ? { heartbeatMs: options.hotSwitch.heartbeatMs } : {}),
				}),
			...(options.hotSwitch ? { hotSwitch: options.hotSwitch } : {}),
			...(options.dnsListen && isReachable(options.dnsListen) ? { dns: options.dnsListen } : {}),
			onPodAdded: (pod) => {
				const proxyId = proxyIdOf(pod, domainSuffix);
				pods.set(proxyId, pod.uid);
				names.expect(proxyId);
				contact.expect(proxyId);
				certificates.add(proxyId, pod);
			},
			onPodRemoved: (pod) => {
				const proxyId = proxyIdOf(pod, domainSuffix);
				pods.delete(proxyId);
				names.forget(proxyId);
				contact.forget(proxyId);
				certificates.remove(proxyId);
				void cache.forget(proxyId);
				hotSwitches.forget(proxyId);
			},
		},
		{ clock, log },
	);
	const allowPlaintext = (proxyId: string, listeners: Iterable<EncodedResource>): void => {
		for (const listener of listeners)
			if (listener.name === virtualInboundListener)
				agent.supervisorOf(pods.get(proxyId) ?? "")?.allowPlaintext(plaintextPorts(listener));
	};
	const followPolicy = (proxyId: string): void => {
		const policy = hotSwitches.of(proxyId);
		if (policy) agent.supervisorOf(pods.get(proxyId) ?? "")?.hotSwitch?.follow(policy);
	};
	const started = Promise.withResolvers<void>();
	const identity = {
		status: () => certificates.status(),
		metrics: () =>
			certificates.metrics() +
			contact.metrics() +
			configCacheMetrics(cache.status()) +
			hotSwitchMetrics(agent.supervisors().flatMap(({ hotSwitch }) => hotSwitch ?? [])),
		renewNow: (proxyId: string | undefined) => certificates.renewNow(proxyId),
		whyNone: (pod: PodSpec) => certificates.whyNone(proxyIdOf(pod, domainSuffix)),
	};
	const api = createNodeApi(agent, identity, started.promise, layer4?.balancing, (pod) =>
		contact.of(proxyIdOf(pod, domainSuffix)),
	);
	const metrics = createMetricsServer(agent, (pod) => certificates.metrics(proxyIdOf(pod, domainSuffix)));
	// The API's socket is the lock of the state directory: a second agent stops here, before it touches a pod.
	await listenOnSocket(api, paths.apiSocket, { mode: 0o600 }).catch((error: Error) => {
		throw new NodeCannotStart(`${error.message}; one agent runs on each state directory`);
	});
	const forEnvoys = { mode: 0o660, gid: proxyUid };
	await listenOnSocket(metrics, paths.metricsSocket, forEnvoys);
	names.open();
	await Promise.all([dns?.start(), vip?.start()]);
	// Pods first: the relay admits only Envoys of known pods.
	certificates.open();
	await agent.start();
	await certificates.listen(paths.secretSocket);
	if (certificates.isOn) await secureSocket(paths.secretSocket, forEnvoys);
	const { ownStreamId } = certificates;
	hotSwitches.keep(pods.keys());
	await cache.keep(layer4 ? [...pods.keys(), ownStreamId] : pods.keys());
	for (const { resources } of (layer4 && (await cache.load(ownStreamId))?.get(layer4ServiceTypeUrl)?.parts) ?? [])
		layer4?.services.restore(resources.values());
	for (const proxyId of pods.keys()) {
		const { config, sinceMs } = await cache.loadWithTime(proxyId);
		if (sinceMs !== undefined) contact.accepted(proxyId, sinceMs);
		for (const part of config?.get(typeUrls.listener)?.parts ?? []) allowPlaintext(proxyId, part.resources.values());
		followPolicy(proxyId);
	}
	const cacheServer = await startCacheServer(paths.cacheSocket, { cache, clock, log });
	await secureSocket(paths.cacheSocket, { mode: 0o600 });
	relay = await startXdsRelay(
		{
			socketPath: paths.xdsSocket,
			upstreams: options.control,
			admit: (nodeId) => pods.has(nodeId) || nodeId === ownStreamId,
			onHotSwitchPolicy: (proxyId, policy) => {
				if (!pods.has(proxyId)) return;
				hotSwitches.receive(proxyId, policy);
				followPolicy(proxyId);
			},
			onNameTable: (proxyId, bytes) => names.receive(proxyId, bytes),
			cache: {
				socketPath: paths.cacheSocket,
				has: (proxyId) => cache.has(proxyId),
				versions: async (proxyId) => (pods.has(proxyId) ? cache.versions(proxyId) : undefined),
				onAccepted: (proxyId, accepted) => {
					const isForNode = proxyId === ownStreamId && accepted.typeUrl === layer4ServiceTypeUrl;
					if (isForNode) layer4?.services.write(() => cache.accept(proxyId, accepted));
					if (!pods.has(proxyId)) return;
					cache.accept(proxyId, accepted);
					contact.accepted(proxyId);
					if (accepted.typeUrl === typeUrls.listener)
						allowPlaintext(proxyId, summarizeDeltaResponse(accepted.bytes).resources);
				},
			},
			...certificates.relayOptions(),
		},
		{ clock, log },
	);
	contact.open();
	await secureSocket(paths.xdsSocket, forEnvoys);
	certificates.follow(paths.xdsSocket, layer4 ? [layer4.services] : []);
	if (options.machine) {
		const added = await agent.add(options.machine);
		if (!added.ok) log.error({ problems: added.problems }, "the machine's own proxy was not started");
	}
	started.resolve();
	log.info({ node: options.name, state: options.state, api: paths.apiSocket }, "node agent runs");
	return {
		agent,
		identity: () => certificates.status(),
		close: async (closing = {}) => {
			if (closing.stopProxies) {
				await agent.removeAll(closing.graceMs ?? 30_000);
				await Promise.all([dns?.stop(), vip?.stop()]);
			}
			agent.close();
			dns?.release();
			vip?.release();
			names.close();
			await contact.close();
			for (const server of [api, metrics]) {
				server.close();
				server.closeAllConnections();
			}
			layer4?.services.close();
			layer4?.balancing.close({ keepRules: !closing.stopProxies });
			await Promise.all([relay?.close(), certificates.close()]);
			await Promise.all([cacheServer.close(), cache.close(), hotSwitches.close()]);
		},
	};
}

/** Undefined, with a word in the log, where it cannot be or is not to be. */
async function openLayer4(
	options: Omit<NodeLayer4Options, "otherProblems">,
	deps: { readonly clock: Clock; readonly log: Log },
) {
	const opened = await openNodeLayer4({ ...options, otherProblems: () => services.problems() }, deps);
	if (!opened.ok) {
		deps.log.warn({ because: opened.because }, "layer 4 is off");
		return undefined;
	}
	const balancing = opened.value;
	const services: ServiceSubscription = new ServiceSubscription({
		...deps,
		onServices: (changed) => balancing.update(changed),
	});
	return { balancing, services };
}

/** Whether pods, in their own namespaces, can send to it: not to loopback, and not to "any address". */
function isReachable({ address }: IpPort): boolean {
	return !/^(?:127\.|0\.0\.0\.0$|::1?$)/.test(address);
}

/** DNS has its own process, so that names are answered while the agent restarts. */
function dnsProcess(options: NodeOptions, listen: IpPort): KeptProcessOptions {
	const paths = nodePaths(options.state);
	const upstream = (options.upstreamDns ?? []).map(renderIpPort).join(",");
	return {
		name: "dns",
		file: process.execPath,
		args: [
			"--no-warnings",
			join(import.meta.dirname, "../../bin/keepmesh.ts"),
			"node-dns",
			"--listen",
			renderIpPort(listen),
			"--table",
			paths.nameTable,
			"--domain",
			options.domainSuffix ?? "cluster.local",
			...(upstream === "" ? [] : ["--upstream", upstream]),
		],
		logFile: paths.dnsLog,
		record: paths.dnsRecord,
	};
}

/** Virtual IPs have their own process, so that nothing else delays an advert; it goes on when the agent ends. */
function vipProcess(options: NodeOptions, source: VipSource): KeptProcessOptions {
	const paths = nodePaths(options.state);
	return {
		name: "vip",
		file: process.execPath,
		args: [
			"--no-warnings",
			join(import.meta.dirname, "../../bin/keepmesh.ts"),
			"vip",
			"run",
			...(source.type === "keepalivedConf" ? ["--keepalived-conf", source.file] : ["--resources", source.directory]),
			"--node",
			options.name,
			"--state",
			paths.vip,
		],
		logFile: paths.vipLog,
		record: paths.vipRecord,
	};
}

/** What would make every Envoy fail, said once at the start. */
function problemsOf(options: NodeOptions): readonly string[] {
	const problems: string[] = [];
	if (process.getuid?.() !== 0)
		problems.push("keepmesh node needs root: it enters network namespaces; run it with sudo");
	if (!idIsMapped(readFileSync("/proc/self/uid_map", "latin1"), proxyUid))
		problems.push(
			`user id ${proxyUid}, Envoy's own, does not exist in this user namespace, so Envoy's connections could not be told from the application's; map it (newuidmap) or run outside of the namespace`,
		);
	try {
		accessSync(options.envoy, constants.X_OK);
	} catch {
		problems.push(`${options.envoy} is not an executable Envoy; run sh scripts/setup.sh, or set KEEPMESH_ENVOY`);
	}
	const { security, name } = options;
	const { identity } = nodePaths(options.state);
	if (security.mode === "mutualTls" && !existsSync(join(identity, "node.pem")) && security.readToken() === undefined)
		problems.push(
			`this machine has not joined the mesh, and there is no join token in ${security.tokenPlace}; run keepmesh token create --node ${name} where the control plane's CA directory is, and give its output with --join-token-file`,
		);
	for (const directory of blockedDirectories(realpathSync(options.state)))
		problems.push(
			`Envoy's user ${proxyUid} cannot pass through ${directory}; chmod o+x ${directory}, or use another --state`,
		);
	return problems;
}

function idIsMapped(map: string, id: number): boolean {
	return map
		.trim()
		.split("\n")
		.some((line) => {
			const [inside, , length] = line.trim().split(/\s+/).map(Number);
			return inside !== undefined && length !== undefined && id >= inside && id < inside + length;
		});
}

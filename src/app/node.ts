// The node agent put together: pods with their Envoys, the local API, merged metrics, the relay to the control planes and the
// DNS process. In: options of the command line. Out: a running node whose end leaves Envoys, redirects and DNS running.

import { mkdirSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { proxyUid } from "../hotswitch/render-redirect.ts";
import { SpareHolder } from "../kubernetes/node/spare-holder.ts";
import { lostNodesName } from "../kubernetes/nodes-alive/wire/lost-nodes-object.ts";
import { layer4ServiceTypeUrl } from "../l4/service-codec.ts";
import { startCacheServer } from "../node/cache-server.ts";
import { ConfigCache } from "../node/config-cache.ts";
import { configCacheMetrics } from "../node/config-cache-metrics.ts";
import { ConfigContact } from "../node/config-contact.ts";
import { HotSwitchPolicies } from "../node/hot-switch-policies.ts";
import { KeptProcess } from "../node/kept-process.ts";
import { createMetricsServer } from "../node/metrics-server.ts";
import { NameTables } from "../node/name-tables.ts";
import { NodeAgent } from "../node/node-agent.ts";
import { createNodeApi } from "../node/node-api.ts";
import { OutdatedProxies } from "../node/outdated-proxies.ts";
import type { IpPort } from "../node/plan/host-port.ts";
import { podBootstrap, proxyIdOf } from "../node/plan/pod-bootstrap.ts";
import { nodePaths } from "../node/plan/pod-paths.ts";
import type { PodSpec } from "../node/plan/pod-spec.ts";
import { sparePaths } from "../node/plan/spare-paths.ts";
import { useState } from "../node/state-format.ts";
import { listenOnSocket, secureSocket } from "../node/unix-server.ts";
import { type Clock, realClock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import { startXdsRelay, type XdsRelay } from "../xds/wire/xds-relay.ts";
import { programVersion } from "./cli/version-command.ts";
import { apiLayer4 } from "./kubernetes/api-layer4.ts";
import { kubernetesNodePart } from "./kubernetes/kubernetes-node-part.ts";
import { nodesAlivePart } from "./kubernetes/nodes-alive-part.ts";
import { controlPlanesPart } from "./node/control-planes-part.ts";
import { hotSwitchPart } from "./node/hot-switch-part.ts";
import { NodeCannotStart, type NodeOptions } from "./node/node-options.ts";
import type { NodePart } from "./node/node-part.ts";
import { type Layer4PartOptions, openLayer4Part } from "./node/open-layer4-part.ts";
import { servingPart } from "./node/serving-part.ts";
import { dnsProcess, vipProcess } from "./node/side-processes.ts";
import { sparePart } from "./node/spare-part.ts";
import { whyUnfit } from "./node/why-unfit.ts";
import { type IdentityStatus, NodeCertificates } from "./node-certificates.ts";

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
	const unfit = whyUnfit(options);
	if (unfit.length > 0) throw new NodeCannotStart(unfit.join("\n"));
	const domainSuffix = options.domainSuffix ?? "cluster.local";
	const controlPlanes = controlPlanesPart(
		{ given: options.control, state: options.state, ...(options.kubernetes ? { kubernetes: options.kubernetes } : {}) },
		{ clock, log, onRegrouped: () => relay?.regroup() },
	);
	const upstreams = controlPlanes.told.addresses;
	const names = new NameTables(paths.nameTable, { clock, log });
	const dns = options.dnsListen ? new KeptProcess(dnsProcess(options, options.dnsListen), { clock, log }) : undefined;
	const vip = options.virtualIps ? new KeptProcess(vipProcess(options, options.virtualIps), { clock, log }) : undefined;
	let relay: XdsRelay | undefined;
	const cache = new ConfigCache(paths.configCache, { log, clock });
	const contact = new ConfigContact(paths.contacts, { clock, log, streams: () => relay?.status() ?? [] });
	const hotSwitches = new HotSwitchPolicies(paths.hotSwitchPolicies, log);
	const layer4 =
		options.layer4 && (await openLayer4Part(layer4Of(options, options.layer4, { clock, log }), { clock, log }));
	if (layer4) writeFileSync(paths.layer4Mark, "");
	/** By proxy id: the uid of its pod. */
	const pods = new Map<string, string>();
	const supervisorOf = (proxyId: string) => agent.supervisorOf(pods.get(proxyId) ?? "");
	const certificates = new NodeCertificates(
		{ name: options.name, security: options.security, directory: paths.identity, upstreams },
		{
			adminOf: (proxyId) => supervisorOf(proxyId)?.admin,
			onJoined: () => relay?.retryNow(),
			onSecrets: (proxyId) => spare?.certificateChanged(proxyId),
			lackOfSpare: async (proxyId) => spare?.lackOfTrust(proxyId),
			clock,
			log,
		},
	);
	const supervisors = { of: supervisorOf, all: () => agent.supervisors() };
	const holder = options.kubernetes?.self && new SpareHolder({ log });
	const spare =
		options.hotSwitch &&
		sparePart(
			{
				nodeName: options.name,
				envoy: options.envoy,
				paths: sparePaths(options.state),
				...(options.upstreamDns ? { resolvers: options.upstreamDns } : {}),
				...(holder ? { hold: (pid) => holder.hold(pid) } : {}),
			},
			{
				clock,
				log,
				supervisors,
				keyPairOf: (proxyId) => certificates.keyPairOf(proxyId),
				onSecretsAnswered: () => certificates.spareAnswered(),
			},
		);
	const serving = servingPart(
		{
			node: options.name,
			file: paths.switches,
			upstreams: () => controlPlanes.all(),
			security: () => certificates.security(),
			supervisors: () => agent.supervisors(),
			proxyIdOf: (pod) => proxyIdOf(pod, domainSuffix),
		},
		{ clock, log },
	);
	const kubernetes =
		options.kubernetes &&
		kubernetesNodePart(
			{ ...options.kubernetes, node: options.name, state: options.state },
			{ agent: () => agent, clock, log },
		);
	const outdated = new OutdatedProxies({ clock, log, supervisors: () => agent.supervisors() });
	const parts: readonly NodePart[] = [
		...(options.replaceProxies === false ? [] : [{ started: () => outdated.start(), close: () => outdated.close() }]),
		{
			podAdded: (proxyId, pod) => pods.set(proxyId, pod.uid),
			podRemoved: (proxyId) => pods.delete(proxyId),
		},
		{ podAdded: (proxyId) => names.expect(proxyId), podRemoved: (proxyId) => names.forget(proxyId) },
		{
			podAdded: (proxyId, pod) => certificates.add(proxyId, pod),
			podRemoved: (proxyId) => certificates.remove(proxyId),
			metrics: () => certificates.metrics(),
		},
		{
			podAdded: (proxyId) => contact.expect(proxyId),
			podRemoved: (proxyId) => contact.forget(proxyId),
			restored: (proxyId, _, sinceMs) => {
				if (sinceMs !== undefined) contact.accepted(proxyId, sinceMs);
			},
			accepted: (proxyId) => contact.accepted(proxyId),
			metrics: () => contact.metrics(),
		},
		{
			podRemoved: (proxyId) => void cache.forget(proxyId),
			accepted: (proxyId, accepted) => cache.accept(proxyId, accepted),
			metrics: () => configCacheMetrics(cache.status()),
			close: () => cache.close(),
		},
		hotSwitchPart(hotSwitches, supervisors),
		serving,
		controlPlanes,
		...(spare ? [spare] : []),
		...(kubernetes ? [kubernetes] : []),
		...(options.kubernetes?.namespace === undefined
			? []
			: [
					nodesAlivePart(
						{
							node: options.name,
							namespace: options.kubernetes.namespace,
							upstreams: () => controlPlanes.all(),
							security: () => certificates.security(),
							onSilent: (nodes) => relay?.doubt(nodes.flatMap((one) => controlPlanes.hostsOn(one))),
						},
						{ client: options.kubernetes.client, clock, log },
					),
				]),
	];
	const agent: NodeAgent = new NodeAgent(
		{
			state: options.state,
			envoy: options.envoy,
			bootstrapOf: (pod, heartbeatMs, slot) =>
				podBootstrap(pod, {
					nodeName: options.name,
					paths,
					domainSuffix,
					...(options.upstreamDns ? { resolvers: options.upstreamDns } : {}),
					certificates: certificates.isOn,
					...(heartbeatMs === undefined ? {} : { heartbeatMs }),
					...(slot === undefined ? {} : { slot }),
					...kubernetes?.bootstrapOf(pod),
				}),
			...(kubernetes ? { processOf: kubernetes.processOf } : {}),
			...(options.hotSwitch ? { hotSwitch: options.hotSwitch } : {}),
			policyOf: (pod) => hotSwitches.of(proxyIdOf(pod, domainSuffix)),
			...(options.dnsListen && isReachable(options.dnsListen) ? { dns: options.dnsListen } : {}),
			onSwitched: (pod, change) => {
				// What was so before is no switch; its readers may not know it yet.
				if (change.from !== change.to) serving.switched(pod, change);
				kubernetes?.switched(pod, change);
			},
			onPodAdded: (pod) => {
				for (const part of parts) part.podAdded?.(proxyIdOf(pod, domainSuffix), pod);
			},
			onPodRemoved: (pod) => {
				for (const part of parts) part.podRemoved?.(proxyIdOf(pod, domainSuffix), pod);
			},
		},
		{ clock, log },
	);
	const started = Promise.withResolvers<void>();
	const identity = {
		status: () => certificates.status(),
		metrics: () => parts.map((part) => part.metrics?.() ?? "").join(""),
		renewNow: (proxyId: string | undefined) => certificates.renewNow(proxyId),
		whyNone: (pod: PodSpec) => certificates.whyNone(proxyIdOf(pod, domainSuffix)),
	};
	const api = createNodeApi(
		agent,
		identity,
		started.promise,
		layer4?.balancing,
		(pod) => contact.of(proxyIdOf(pod, domainSuffix)),
		() => serving.switches.records,
	);
	/** The one pod that a connection for metrics is of, where it came by the pod's own door. */
	const metricsOwners = new WeakMap<Socket, string>();
	const metrics = createMetricsServer(
		agent,
		(pod) => certificates.metrics(proxyIdOf(pod, domainSuffix)),
		(socket) => metricsOwners.get(socket),
	);
	// The API's socket is the lock of the state directory: a second agent stops here, before it touches a pod.
	await listenOnSocket(api, paths.apiSocket, { mode: 0o600 }).catch((error: Error) => {
		throw new NodeCannotStart(`${error.message}; one agent runs on each state directory`);
	});
	const program = programVersion();
	const usable = await useState(options.state, program);
	if (!usable.ok) throw new NodeCannotStart(`${usable.because}; start that one again, or use another --state`);
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
	await cache.keep(layer4?.services ? [...pods.keys(), ownStreamId] : pods.keys());
	for (const { resources } of (layer4?.services && (await cache.load(ownStreamId))?.get(layer4ServiceTypeUrl)?.parts) ??
		[])
		layer4?.services?.restore(resources.values());
	for (const proxyId of pods.keys()) {
		const { config, sinceMs } = await cache.loadWithTime(proxyId);
		for (const part of parts) part.restored?.(proxyId, config, sinceMs);
	}
	for (const part of parts) await part.started?.();
	const cacheServer = await startCacheServer(paths.cacheSocket, { cache, clock, log });
	await secureSocket(paths.cacheSocket, { mode: 0o600 });
	relay = await startXdsRelay(
		{
			socketPath: paths.xdsSocket,
			upstreams,
			groupOf: controlPlanes.groupOf,
			revisions: controlPlanes.revisions,
			admit: (nodeId) => pods.has(nodeId) || nodeId === ownStreamId,
			onHotSwitchPolicy: (proxyId, policy) => {
				if (pods.has(proxyId)) for (const part of parts) part.policyReceived?.(proxyId, policy);
			},
			onNameTable: (proxyId, bytes) => names.receive(proxyId, bytes),
			cache: {
				socketPath: paths.cacheSocket,
				has: (proxyId) => cache.has(proxyId),
				versions: async (proxyId) => (pods.has(proxyId) ? cache.versions(proxyId) : undefined),
				onAccepted: (proxyId, accepted) => {
					const isForNode = proxyId === ownStreamId && accepted.typeUrl === layer4ServiceTypeUrl;
					if (isForNode) layer4?.services?.write(() => cache.accept(proxyId, accepted));
					if (pods.has(proxyId)) for (const part of parts) part.accepted?.(proxyId, accepted);
				},
			},
			...certificates.relayOptions(),
		},
		{ clock, log },
	);
	contact.open();
	serving.open();
	await secureSocket(paths.xdsSocket, forEnvoys);
	const isProved = options.security.mode === "mutualTls";
	certificates.follow(paths.xdsSocket, [
		...(layer4?.services ? [layer4.services] : []),
		...(isProved ? [controlPlanes.told] : []),
	]);
	if (options.machine) {
		const added = await agent.add(options.machine);
		if (!added.ok) log.error({ problems: added.problems }, "the machine's own proxy was not started");
	}
	await kubernetes?.open((to, socket, { proxyId, uid }) => {
		if (to === "xds") relay?.accept(socket, proxyId);
		else if (to === "secrets") certificates.accept(socket, proxyId);
		else {
			metricsOwners.set(socket, uid);
			metrics.emit("connection", socket);
		}
	});
	started.resolve();
	log.info({ node: options.name, program, state: options.state, api: paths.apiSocket }, "node agent runs");
	return {
		agent,
		identity: () => certificates.status(),
		close: async (closing = {}) => {
			if (closing.stopProxies) {
				await agent.removeAll(closing.graceMs ?? 30_000);
				await Promise.all([dns?.stop(), vip?.stop(), ...parts.map((part) => part.stop?.())]);
			} else {
				agent.leave();
				// Its pod takes the spare with it.
				if (kubernetes) await spare?.stop?.();
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
			layer4?.close({ keepRules: !closing.stopProxies });
			await Promise.all([relay?.close(), certificates.close()]);
			await cacheServer.close();
			await Promise.all(parts.map((part) => part.close?.()));
		},
	};
}

/** On Kubernetes it has to work before a control plane can be reached. */
function layer4Of(
	{ kubernetes, name }: NodeOptions,
	layer4: NonNullable<NodeOptions["layer4"]>,
	deps: { readonly clock: Clock; readonly log: Log },
): Layer4PartOptions {
	if (!kubernetes) return { layer4 };
	const { client, namespace } = kubernetes;
	const { zone } = layer4.machine;
	const lostNodes = namespace === undefined ? {} : { lostNodes: { namespace, name: lostNodesName } };
	return { layer4, source: apiLayer4({ node: name, ...lostNodes, ...(zone ? { zone } : {}) }, { client, ...deps }) };
}

/** Whether pods, in their own namespaces, can send to it: not to loopback, and not to "any address". */
function isReachable({ address }: IpPort): boolean {
	return !/^(?:127\.|0\.0\.0\.0$|::1?$)/.test(address);
}

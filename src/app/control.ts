// The control plane, put together: files or an API server -> changes -> control plane -> xDS servers, and the API beside them.

import { join } from "node:path";
import { servingReportPath } from "../hotswitch/serving-report.ts";
import type { RotationBoard } from "../identity/authority/rotation-board.ts";
import { createCertificatePath } from "../identity/certificate-service-codec.ts";
import { nodeOfStream } from "../identity/node-stream.ts";
import { parseIdentity, type SpiffeId } from "../identity/spiffe-id.ts";
import type { Problem } from "../resources/problem.ts";
import { readResourceFile } from "../resources/read-resources.ts";
import { type Clock, realClock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import { createMetrics } from "../runtime/metrics.ts";
import type { Change } from "../snapshot/change.ts";
import { startFilesSource } from "../sources/files/files-source.ts";
import { keySetDirectory, noKeySetStore } from "../sources/key-sets/key-set-store.ts";
import { KeySetsSource } from "../sources/key-sets/key-sets-source.ts";
import type { ResourceSource } from "../sources/resource-source.ts";
import { controlMetrics, withPilotNames } from "../telemetry/control-metrics.ts";
import type { ConfigSource, SessionStatus, XdsServer } from "../xds/wire/config-source.ts";
import type { SlowUnaryService, UnaryService } from "../xds/wire/unary-service.ts";
import { startXdsServer, type XdsServerOptions } from "../xds/wire/xds-server.ts";
import { type ApiServer, startApiServer } from "./api/api-server.ts";
import { type CertificateRoutesParts, certificateRoutes } from "./api/certificate-routes.ts";
import { controlRoutes } from "./api/control-routes.ts";
import { servingRoutes } from "./api/serving-routes.ts";
import { admitProxy, shutOut } from "./control/admit-proxy.ts";
import {
	type CertificateAuthority,
	openCertificateAuthority,
	openServerCertificate,
	plaintextCertificates,
} from "./control/certificate-authority.ts";
import type { ControlOptions, HostPort } from "./control/control-options.ts";
import { ControlPlane } from "./control/control-plane.ts";
import { keySetProblems } from "./control/key-set-problems.ts";
import { Layer4Feed } from "./control/layer4-feed.ts";
import { MeshProblems } from "./control/mesh-problems.ts";
import { NodeStreams } from "./control/node-streams.ts";
import { answersOf } from "./control/proxy-answers.ts";
import { type Admit, configSource, type EndOf } from "./control/proxy-connections.ts";
import { quarantineProblems } from "./control/quarantine-problems.ts";
import { quarantineFile } from "./control/quarantine-store.ts";
import { createReplicas, type Replicas } from "./control/replicas/start-replicas.ts";
import { ResourceEditor } from "./control/resource-editor.ts";
import { ResourceStatuses } from "./control/resource-status.ts";
import { createRotation } from "./control/rotation-service.ts";
import { nobodysRules, ServingReports } from "./control/serving-reports.ts";
import { servingFile } from "./control/serving-store.ts";
import { tellProblems } from "./control/tell-problems.ts";
import { clusterRotationPace } from "./kubernetes/cluster-authority.ts";
import { KubernetesSide, type KubernetesSideParts, noEditor } from "./kubernetes/kubernetes-side.ts";

export interface RunningControl {
	readonly apiPort: number;
	/** Port of the plaintext xDS, when it is on. */
	readonly xdsPort: number | undefined;
	/** Port of the xDS over TLS, when it is on. */
	readonly secureXdsPort: number | undefined;
	/** Its part in the group of control planes, when it is in one. */
	readonly replicas: Replicas | undefined;
	close(): Promise<void>;
}

/** A control plane that ends, while others go on, sends its proxies there over this time. */
const handOverMs = 1000;

/** How long proxies wait at the start for key sets that nobody has fetched yet. */
const maxFirstFetchMs = 5000;

/** Resolves when everything has been read and every port listens. */
export async function startControl(
	options: ControlOptions,
	parts: { log: Log; clock?: Clock; connect?: KubernetesSideParts["connect"] },
): Promise<RunningControl> {
	const { log } = parts;
	const clock = parts.clock ?? realClock;
	const startedMs = clock.wallMs();
	const metrics = createMetrics({ process: true });
	const counted = controlMetrics(metrics);
	const servers: XdsServer[] = [];
	const layer4 = new Layer4Feed();
	const nodes = new NodeStreams(
		(ids) => {
			for (const server of servers) server.publish(ids);
		},
		() => layer4.update(control.snapshot),
	);
	let isReady = false;
	let isClosing = false;

	const control: ControlPlane = new ControlPlane(options, {
		clock,
		log,
		metrics: counted,
		answers: answersOf(servers),
		...(options.dataDirectory && {
			quarantine: quarantineFile(join(options.dataDirectory, "quarantine.json"), { clock, log }),
		}),
		onApplied: (changes) => replicas?.group.onApplied(changes),
		onSnapshot: () => nodes.servicesMayHaveChanged(),
		keySets: {
			need: (needed) => keySets.need(needed),
			isFetchingFirst: () => keySets.isFetchingFirst(),
			firstTries: (maxMs) => keySets.firstTries(maxMs),
		},
		onPublished: (proxyIds) => {
			for (const server of servers) server.publish(proxyIds);
		},
	});
	const keySets = new KeySetsSource(
		{ allowLoopback: options.allowLoopbackKeySets ?? false, ...(options.keySets && { config: options.keySets }) },
		{
			clock,
			log,
			metrics,
			store:
				options.dataDirectory === undefined ? noKeySetStore : keySetDirectory(join(options.dataDirectory, "key-sets")),
			onKeySets: (fetched) => control.setKeySets(fetched),
		},
	);
	const { dataDirectory, version } = options;
	const kept = { version, ...(dataDirectory === undefined ? {} : { dataDirectory }) };
	const told = {
		clock,
		onChanges: (changes: readonly Change[]) => control.change(changes),
		onProblems: (problems: readonly Problem[]) => tellProblems(problems, counted, log),
	};
	const kubernetes =
		options.kubernetes &&
		new KubernetesSide(options.kubernetes, { ...told, ...kept, log, metrics, connect: parts.connect });
	const source: ResourceSource =
		kubernetes?.source ??
		startFilesSource({ roots: options.resources }, { ...told, read: (text, file) => readResourceFile(file, text) });
	const serving = new ServingReports({
		instance: `${options.id}/${startedMs}`,
		...(options.dataDirectory && { store: servingFile(join(options.dataDirectory, "serving.json")) }),
		onUnproxied: (unproxied) => control.setUnproxied(unproxied),
		onReport: (pods) => control.safety.reported(pods),
		clock,
		log,
		metrics,
	});
	const replicas =
		options.replicas &&
		createReplicas(options.replicas, options, {
			clock,
			log,
			source,
			isPending: (key) => control.isPending(key),
			...(kubernetes ? { commonSource: kubernetes.source } : {}),
		});
	const problems = new MeshProblems((key) => source.current(key));

	let certificateParts: CertificateRoutesParts | undefined;
	const allProblems = (): readonly Problem[] => [
		...problems.of(control.snapshot, source.problems()),
		...quarantineProblems(control.safety.held, (key) => source.current(key)),
		...keySetProblems(control.snapshot, keySets.status(), (key) => source.current(key)),
	];
	const sessions = (): readonly SessionStatus[] =>
		servers.flatMap((server) => server.sessions()).filter((session) => nodeOfStream(session.proxyId) === undefined);
	const readiness = (): string | undefined => {
		if (isClosing) return "shutting down";
		const late = kubernetes?.waitingFor();
		return isReady ? undefined : `resources are still being read${late === undefined ? "" : `: ${late}`}`;
	};
	const routes = controlRoutes({
		identity: { id: options.id, version: options.version, startedMs },
		clock,
		control,
		metrics,
		counted,
		readiness,
		problems: allProblems,
		fileProblems: () => source.problems(),
		origin: (key) => source.current(key)?.origin,
		sessions,
		editor: kubernetes ? noEditor : new ResourceEditor(options.resources, source),
		...(kubernetes ? { source: () => kubernetes.source.status() } : {}),
	});
	let api: ApiServer | undefined;
	const atClose: (() => void)[] = [];
	const close = async (): Promise<void> => {
		isClosing = true;
		await kubernetes?.leave();
		await replicas?.leave();
		if (replicas?.group.hasOthers) await Promise.all(servers.map((server) => server.leave(handOverMs)));
		replicas?.close();
		source.close();
		keySets.close();
		serving.close();
		for (const stop of atClose) stop();
		await kubernetes?.close();
		await Promise.all(servers.map((server) => server.close()));
		control.close();
		await api?.close();
	};
	try {
		api = await startApiServer(
			{
				...options.api,
				...(options.apiNames ? { allowedHosts: options.apiNames } : {}),
				// Every pod reaches the port; who may reach localhost in this one, Kubernetes decides (pods/portforward).
				healthOnlyForOthers: kubernetes !== undefined,
			},
			[
				...(replicas?.routes(routes) ?? routes),
				...servingRoutes(serving, clock),
				...(kubernetes?.routes() ?? []),
				...certificateRoutes(() => certificateParts),
			],
			log,
		);
		const { plain, secure } = await startServing();
		isReady = true;
		log.info({ api: api.port, version: options.version }, "control plane ready");
		return {
			apiPort: api.port,
			xdsPort: portOf(plain),
			secureXdsPort: portOf(secure),
			replicas,
			async close() {
				await close();
				log.info({ id: options.id }, "control plane stopped");
			},
		};
	} catch (error) {
		await close();
		throw error;
	}

	/** Reads everything, then opens the doors to proxies. */
	async function startServing(): Promise<{ plain: XdsServer | undefined; secure: XdsServer | undefined }> {
		const readStartMs = clock.monotonicMs();
		await source.ready;
		control.flush();
		// A proxy that has keys from another replica would lose them if this one served before it has any.
		await keySets.firstTries(maxFirstFetchMs);
		control.flush();
		const from = options.kubernetes ? "the Kubernetes API" : options.resources;
		log.info({ tookMs: Math.round(clock.monotonicMs() - readStartMs), resources: from }, "resources read");

		const { certificates, board } = await openCertificates();
		if (certificates) certificateParts = startRotation(certificates, board);
		const { trustDomain, version } = options;
		const wallMs = (monotonicMs: number): number => Math.round(clock.wallMs() - (clock.monotonicMs() - monotonicMs));
		const statuses = (): ResourceStatuses => new ResourceStatuses(control, sessions(), allProblems(), wallMs);
		const common = { version, trustDomain, control, clock, log, metrics, problems: allProblems, statuses };
		await kubernetes?.start({
			...common,
			...(certificates ? { certificates } : {}),
			...(replicas ? { askOthers: (path, timeoutMs) => replicas.group.askOthers(path, timeoutMs) } : {}),
		});
		const registrations = certificates?.service.registrations;
		serving.open((node, workload) => registrations?.allows(node, { ...workload, trustDomain }) ?? true);
		const services = new Map<string, UnaryService>([
			[servingReportPath, serving.service({ ...nobodysRules, trustDomain, nothingIsProved: true })],
			...(kubernetes?.services({ ...nobodysRules, trustDomain, nothingIsProved: true }) ?? []),
		]);
		if (certificates)
			services.set(createCertificatePath, plaintextCertificates(certificates, options.insecureCertificates ?? false));
		const holders = new Map<string, number>();
		const labelled = (source: ConfigSource): ConfigSource =>
			replicas ? { ...source, revision: () => replicas.group.label() } : source;
		const startServer = async (
			server: XdsServerOptions,
			admit: Admit = () => ({ ok: true, keys: true }),
			endOf?: EndOf,
		): Promise<XdsServer> => {
			const started = await startXdsServer(server, {
				source: nodes.beside(
					labelled(configSource(control, holders, admit, endOf)),
					(uri) => parseIdentity(uri ?? ""),
					{
						trustDomain: options.trustDomain,
						isRegistered: (node) => certificates?.service.registrations.of(node) !== undefined,
						nothingIsProved: server.tls === undefined,
					},
				),
				clock,
				log,
				metrics: withPilotNames(metrics),
				onRefused: (proxyId, refused) => control.safety.refused(proxyId, refused),
				onAnswered: (proxyId) => control.safety.answered(proxyId),
			});
			servers.push(started);
			log.info({ address: started.address, tls: server.tls !== undefined }, "xds listens");
			return started;
		};
		const secure = options.secureXds && certificates ? await startSecure(options.secureXds, certificates) : undefined;
		// Over plaintext nobody proves to be the gateway whose keys these are, and all can read along.
		const admitPlain: Admit = () => ({ ok: true, keys: options.insecureCertificates ?? false });
		const plain = options.insecureXds
			? await startServer({ listen: options.insecureXds, services }, admitPlain)
			: undefined;
		if (options.xdsSocket) await startServer({ listen: { socketPath: options.xdsSocket }, services });
		return { plain, secure };

		async function startSecure(listen: HostPort, authority: CertificateAuthority): Promise<XdsServer> {
			const names = {
				id: options.id,
				host: listen.host,
				names: [...(options.xdsNames ?? []), ...(replicas?.names ?? [])],
			};
			const certificate = openServerCertificate(authority, names, {
				clock,
				log,
				onRenewed: (tls) => server.replaceTls(tls),
			});
			atClose.push(() => certificate.close());
			const { service } = authority;
			const rules = {
				trustDomain: options.trustDomain,
				isRegistered: (node: string) => service.registrations.of(node) !== undefined,
				mayCertify: (node: string, workload: SpiffeId) => service.mayCertify(node, workload),
				isGranted: (node: string, workload: SpiffeId) => service.registrations.allows(node, workload),
			};
			const server = await startServer(
				{
					listen,
					tls: { context: certificate.tls, asksForCertificate: true, checkChain: authority.checkChain },
					services: new Map<string, UnaryService | SlowUnaryService>([
						[createCertificatePath, authority.secure],
						[servingReportPath, serving.service(rules)],
						...(kubernetes?.services(rules) ?? []),
						...(replicas?.services() ?? []),
					]),
				},
				(proxy, peer) => admitProxy(proxy, parseIdentity(peer.uri ?? ""), control.snapshot, rules),
				({ uri }) => shutOut(parseIdentity(uri ?? ""), rules),
			);
			if (replicas) {
				nodes.setControlPlanes(replicas.addresses);
				kubernetes?.followReplicas(options.replicas?.advertised ?? "", (others) => {
					replicas.setPeers(others);
					nodes.setControlPlanes(replicas.addresses);
				});
				if (kubernetes) atClose.push(kubernetes.leadership.follow((leads) => replicas.group.setOwner(leads)));
			}
			await replicas?.start(() => certificate.tls, { host: options.api.host, port: api?.port ?? 0 });
			return server;
		}
	}

	/** Before any proxy connects, so that each gets the trust bundle with its first configuration. */
	function startRotation({ authority, service }: CertificateAuthority, board?: RotationBoard): CertificateRoutesParts {
		const { id: ownId, kubernetes: inCluster, rotation: config } = options;
		const id = inCluster?.pod ?? ownId;
		const driver = { replica: id, ...(board ? clusterRotationPace : {}), ...(config ? { rotation: config } : {}) };
		const meeting = board ? { board } : {};
		const rotation = createRotation(driver, { authority, control, nodes, servers, clock, log, metrics, ...meeting });
		rotation.start();
		atClose.push(() => rotation.close());
		const wallMs = (): number => clock.wallMs();
		return { replica: id, authority, rotation, issued: (nowMs) => service.ledger.list(nowMs), wallMs };
	}

	async function openCertificates(): Promise<{ certificates?: CertificateAuthority; board?: RotationBoard }> {
		const { caDirectory, certificates, dataDirectory, trustDomain } = options;
		const directory = caDirectory ?? (dataDirectory === undefined ? undefined : join(dataDirectory, "ca"));
		if (directory === undefined) return {};
		const parts = { clock, log, metrics, snapshot: () => control.snapshot };
		const given = { ...certificates, trustDomain };
		const shared = await kubernetes?.openAuthority({ directory, authority: given });
		const plugIn = shared?.plugInDirectory === undefined ? {} : { plugInDirectory: shared.plugInDirectory };
		const opened = openCertificateAuthority({ ...given, directory, ...plugIn }, parts);
		atClose.push(() => opened.close());
		return { certificates: opened, ...(shared ? { board: shared.join(opened) } : {}) };
	}
}

const portOf = (server: XdsServer | undefined): number | undefined =>
	server && "port" in server.address ? server.address.port : undefined;

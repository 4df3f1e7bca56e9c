// keepmesh control: a control plane in the foreground, one JSON line per event on stderr, until SIGTERM or SIGINT.

import { mkdirSync } from "node:fs";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { AuthorityFilesError } from "../../identity/authority/authority.ts";
import { CannotCertify } from "../../identity/authority/server-certificate.ts";
import { AccessError } from "../../kubernetes/client/server-access.ts";
import { type LogLevel, startLog } from "../../runtime/log.ts";
import type { HostPort } from "../control/control-options.ts";
import { defaultPushSafetyConfig, type PushSafetyConfig } from "../control/push-safety.ts";
import type { ReplicasOptions } from "../control/replicas/start-replicas.ts";
import { startControl } from "../control.ts";
import { type CertificateFlags, certificateOptions, withCertificateFlags } from "./certificate-flags.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import {
	type KubernetesControlFlags,
	kubernetesControl,
	namesOfService,
	withKubernetesControlFlags,
} from "./kubernetes-control-flags.ts";
import { programVersion } from "./version-command.ts";

interface ControlFlags extends CertificateFlags, KubernetesControlFlags {
	readonly resources?: readonly string[];
	readonly data?: string;
	readonly ca?: string;
	readonly canaryFrom: number;
	readonly id: string;
	readonly api: HostPort;
	readonly apiName?: readonly string[];
	readonly xds?: HostPort;
	readonly xdsName?: readonly string[];
	readonly insecureXds?: HostPort;
	readonly xdsSocket?: string;
	readonly insecureCertificates?: boolean;
	readonly allowLoopbackKeySets?: boolean;
	readonly trustDomain: string;
	readonly network: string;
	readonly peer?: readonly HostPort[];
	readonly advertise?: string;
	readonly leaderVip?: string;
	readonly leaderVipInterface?: string;
	readonly leaderVrid: number;
	readonly leaderPriority: number;
	readonly clusterId: string;
	readonly logLevel: LogLevel;
}

export function controlCommand(): Command {
	const command = withCertificateFlags(new Command("control"))
		.description("Runs a control plane: reads resources, serves xDS and the API. Needs no root.")
		.option("--resources <dir...>", "directories or files of resources, watched; apply writes into the first")
		.option("--data <dir>", "state of this control plane, with the certificate authority; none: signs no certificates")
		.option("--xds <host:port>", "serve xDS and certificates over mutual TLS here: 0.0.0.0:15012", hostPort)
		.option("--xds-name <name...>", "names, besides localhost and Istio's, under which that port is reached")
		.option(
			"--insecure-xds <host:port>",
			"serve xDS in plaintext here (off by default; loopback and labs only)",
			hostPort,
		)
		.option("--xds-socket <path>", "serve xDS on a Unix socket")
		.option(
			"--insecure-certificates",
			"certify plaintext callers as whoever they say they are (experiments in a network of your own only)",
		)
		.addOption(
			new Option("--api <host:port>", "API, metrics and health")
				.argParser(hostPort)
				.default({ host: "127.0.0.1", port: 15014 }, "127.0.0.1:15014"),
		)
		.option("--api-name <name...>", "names, besides localhost, under which the API may be called")
		.option(
			"--allow-loopback-key-sets",
			"fetch key sets of token issuers from this machine too (labs only: policies could reach its own services)",
		)
		.option(
			"--peer <host:port>",
			"the xDS port of another control plane of this mesh; again for each (they share one certificate authority)",
			hostPorts,
		)
		.option("--advertise <host:port>", "where nodes and other control planes reach --xds, when that listens everywhere")
		.option("--leader-vip <address/bits>", "the virtual IP of the control planes; its owner takes writes (needs root)")
		.option("--leader-vip-interface <name>", "where it lives (default: the interface whose network holds it)")
		.option("--leader-vrid <number>", "VRRP's router id of that address", positive, 115)
		.option("--leader-priority <number>", "VRRP's priority of this control plane", positive, 100)
		.option(
			"--canary-from <proxies>",
			"from so many proxies on, new configuration goes to one of each workload first; 0: never",
			wholeNumber,
			defaultPushSafetyConfig.rollout.minProxies,
		)
		.option("--id <name>", "name of this replica", hostname())
		.option("--trust-domain <domain>", "of the certificates that it signs", "cluster.local")
		.option("--cluster-id <name>", "of the workloads in the resources", "Kubernetes")
		.option("--network <name>", "of the workloads in the resources", "")
		.addOption(new Option("--log-level <level>").choices(["debug", "info", "warn", "error"]).default("info"))
		.action(runControl);
	return withKubernetesControlFlags(command);
}

async function runControl(flags: ControlFlags): Promise<void> {
	const kubernetes = kubernetesControl(flags);
	if (flags.resources === undefined && !kubernetes) {
		throw new CliError(
			exitCodes.usage,
			"no resources: give --resources, or --kubernetes",
			"keepmesh control --resources DIR --data ./data --xds 0.0.0.0:15012",
		);
	}
	const from = kubernetes ? "--kubernetes" : `--resources ${flags.resources?.join(" ")}`;
	if (!flags.xds && !flags.insecureXds && !flags.xdsSocket) {
		throw new CliError(
			exitCodes.usage,
			"no proxy could connect: none of --xds, --insecure-xds and --xds-socket is given",
			`keepmesh control ${from} --data ./data --xds 0.0.0.0:15012`,
		);
	}
	if (flags.xds && flags.ca === undefined && flags.data === undefined) {
		throw new CliError(
			exitCodes.usage,
			"--xds needs a certificate authority: give --ca or --data",
			`keepmesh control ${from} --data ./data --xds 0.0.0.0:15012`,
		);
	}
	const serviceNames = kubernetes ? namesOfService(kubernetes) : [];
	const replicas = replicasOf(flags);
	const log = startLog({ level: flags.logLevel, facts: { part: "control", id: flags.id } });
	if (flags.data !== undefined) mkdirSync(flags.data, { recursive: true, mode: 0o700 });
	const stopped = new Promise<string>((done) => {
		for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => done(signal));
	});
	let running: Awaited<ReturnType<typeof startControl>>;
	try {
		running = await startControl(
			{
				id: flags.id,
				version: programVersion(),
				resources: flags.resources ?? [],
				...(kubernetes ? { kubernetes } : {}),
				trustDomain: flags.trustDomain,
				api: flags.api,
				certificates: certificateOptions(flags),
				rotation: { settleMs: flags.rotationSettle },
				safety: pushSafety(flags.canaryFrom),
				snapshot: { clusterId: flags.clusterId, network: flags.network },
				...(replicas ? { replicas } : {}),
				...(flags.data === undefined ? {} : { dataDirectory: flags.data }),
				...(flags.ca === undefined ? {} : { caDirectory: flags.ca }),
				...(flags.allowLoopbackKeySets === undefined ? {} : { allowLoopbackKeySets: flags.allowLoopbackKeySets }),
				apiNames: [...(flags.apiName ?? []), ...serviceNames],
				...(flags.xds === undefined ? {} : { secureXds: flags.xds }),
				xdsNames: [...(flags.xdsName ?? []), ...serviceNames],
				...(flags.insecureXds === undefined ? {} : { insecureXds: flags.insecureXds }),
				...(flags.insecureCertificates === undefined ? {} : { insecureCertificates: flags.insecureCertificates }),
				...(flags.xdsSocket === undefined ? {} : { xdsSocket: flags.xdsSocket }),
			},
			{ log },
		);
	} catch (error) {
		throw startFailure(error, flags);
	}
	log.info({ signal: await stopped }, "stopping");
	await running.close();
	// Watchers and sockets are closed; nothing may keep a stopped daemon alive.
	setTimeout(() => process.exit(0), 2_000).unref();
}

function pushSafety(canaryFrom: number): PushSafetyConfig {
	const minProxies = canaryFrom === 0 ? Number.POSITIVE_INFINITY : canaryFrom;
	return { ...defaultPushSafetyConfig, rollout: { ...defaultPushSafetyConfig.rollout, minProxies } };
}

function wholeNumber(text: string): number {
	if (/^\d{1,9}$/.test(text)) return Number(text);
	throw new InvalidArgumentError(`"${text}" is no whole number`);
}

function startFailure(error: unknown, flags: ControlFlags): unknown {
	if (error instanceof AccessError)
		return new CliError(exitCodes.noInput, error.message, "keepmesh control --kubernetes --kubeconfig FILE ...");
	if (error instanceof AuthorityFilesError) {
		const place = flags.cacerts ?? flags.ca ?? `${flags.data}/ca`;
		const needsPassphrase = error.message.includes("--ca-passphrase-file");
		return new CliError(
			exitCodes.data,
			error.message,
			needsPassphrase ? "keepmesh control ... --ca-passphrase-file PATH" : `ls -l ${place}`,
		);
	}
	if (error instanceof CannotCertify && error.reason === "issuer_expired") {
		const ca = flags.ca ?? `${flags.data}/ca`;
		return new CliError(exitCodes.data, error.message, `keepmesh certs recover --ca ${ca} (docs/security-recovery.md)`);
	}
	const { code, address, port } = error as { code?: string; address?: string; port?: number };
	const where = port === undefined ? (address ?? "") : `${address}:${port}`;
	if (code === "EADDRINUSE") {
		return new CliError(
			exitCodes.unavailable,
			`${where} is taken by another process`,
			`ss -ltnp | grep ${port ?? where}`,
		);
	}
	if (code === "EACCES") {
		return new CliError(exitCodes.noPermission, `${where} may not be used by this user`, "choose a port above 1024");
	}
	if (code === "EADDRNOTAVAIL") {
		return new CliError(exitCodes.unavailable, `this machine has no address ${where}`, "ip address");
	}
	return error;
}

function hostPort(text: string): HostPort {
	const match = /^(?:\[([\da-f:.]+)\]|([^:]*)):(\d{1,5})$/i.exec(text);
	const port = Number(match?.[3]);
	if (!match || port > 65_535) throw new InvalidArgumentError("give it as HOST:PORT, 127.0.0.1:15010");
	return { host: match[1] ?? (match[2] || "0.0.0.0"), port };
}

function hostPorts(text: string, before: readonly HostPort[] = []): readonly HostPort[] {
	return [...before, ...text.split(",").map(hostPort)];
}

function positive(text: string): number {
	const number = Number(text);
	if (!Number.isInteger(number) || number < 1 || number > 254) throw new InvalidArgumentError("1 to 254");
	return number;
}

/** Undefined: this control plane is alone. */
function replicasOf(flags: ControlFlags): ReplicasOptions | undefined {
	const { advertise, data, leaderVip, peer = [], xds } = flags;
	if (flags.kubernetes) return replicasOnKubernetes(flags);
	if (peer.length === 0 && leaderVip === undefined) return undefined;
	const next = "keepmesh control --xds 0.0.0.0:15012 --data DIR --peer 10.0.0.2:15012 --leader-vip 10.0.0.100/24";
	if (!xds || data === undefined)
		throw new CliError(exitCodes.usage, "--peer and --leader-vip need --xds and --data", next);
	const isEverywhere = ["0.0.0.0", "::", ""].includes(xds.host);
	if (isEverywhere && advertise === undefined)
		throw new CliError(
			exitCodes.usage,
			"--xds listens everywhere: say which address the others use",
			`${next} --advertise 10.0.0.1:15012`,
		);
	return {
		peers: peer,
		advertised: advertise ?? `${xds.host}:${xds.port}`,
		...(leaderVip === undefined
			? {}
			: {
					virtualIp: {
						address: leaderVip,
						routerId: flags.leaderVrid,
						priority: flags.leaderPriority,
						directory: join(resolve(data), "leader-vip"),
						...(flags.leaderVipInterface === undefined ? {} : { interface: flags.leaderVipInterface }),
					},
				}),
	};
}

/** The others are found by their Service, and the Lease says who leads. Undefined: nobody was told where to reach this one. */
function replicasOnKubernetes({ advertise, leaderVip, peer, xds }: ControlFlags): ReplicasOptions | undefined {
	if (peer !== undefined || leaderVip !== undefined)
		throw new CliError(
			exitCodes.usage,
			"on Kubernetes replicas find each other by their Service, and a Lease says who leads",
			"leave --peer and --leader-vip away, and give --advertise POD_IP:15012",
		);
	return xds && advertise !== undefined ? { peers: [], advertised: advertise } : undefined;
}

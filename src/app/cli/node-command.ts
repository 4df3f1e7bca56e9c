// `keepmesh node`: the agent of one machine. Reads the environment (KEEPMESH_ENVOY, KEEPMESH_JOIN_TOKEN) and signals; startNode does the rest.

import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { defaultHotSwitchPolicy } from "../../hotswitch/hot-switch-policy.ts";
import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import { readRoots } from "../../kubernetes/identity/root-certificates.ts";
import { cleanUpNode } from "../../node/clean-up.ts";
import { type IpPort, parseIpPort } from "../../node/plan/host-port.ts";
import { machineProxyRequest } from "../../node/plan/machine-proxy.ts";
import { type PodSpec, parsePodSpec } from "../../node/plan/pod-spec.ts";
import { startLog } from "../../runtime/log.ts";
import { openKubernetes } from "../kubernetes/open-kubernetes.ts";
import { NodeCannotStart, type NodeOptions } from "../node/node-options.ts";
import { startNode } from "../node.ts";
import type { NodeSecurity } from "../node-certificates.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { type KubernetesFlags, kubernetesAccess, withKubernetesFlags } from "./kubernetes-flags.ts";
import { type Layer4Flags, layer4Of, onKubernetes, withLayer4Flags } from "./layer4-flags.ts";

interface HostPort {
	readonly host: string;
	readonly port: number;
}

interface NodeFlags extends Layer4Flags, KubernetesFlags {
	readonly cni: boolean;
	readonly cniPrograms: string;
	readonly cniLists: string;
	readonly kubeletDir: string;
	readonly accountTokenFile: string;
	readonly systemNamespace: string;
	readonly revision: string;
	readonly run: string;
	readonly node: string;
	readonly state: string;
	readonly control?: readonly HostPort[];
	readonly cleanUp?: boolean;
	readonly envoy?: string;
	readonly domain: string;
	readonly dnsListen?: IpPort;
	readonly upstreamDns?: readonly IpPort[];
	readonly proxy?: string;
	readonly ip?: readonly string[];
	readonly workload?: string;
	readonly namespace: string;
	readonly labels: Readonly<Record<string, string>>;
	readonly serviceAccount: string;
	readonly joinTokenFile?: string;
	readonly insecureControl?: boolean;
	readonly certificates?: string;
	readonly keepalivedConf?: string;
	readonly vipConfig?: string;
	readonly graceSeconds: number;
	readonly hotSwitch: "on" | "off" | false;
	readonly stopProxies?: boolean;
	readonly replaceProxies: boolean;
}

export function nodeCommand(): Command {
	return withKubernetesNodeFlags(withLayer4Flags(new Command("node")))
		.description("run the agent of one machine: Envoys, redirects, DNS and metrics of its pods")
		.option("--node <name>", "name of this machine", process.env.NODE_NAME || hostname())
		.requiredOption("--state <dir>", "directory for records, sockets and logs; one agent each")
		.option("--control <host:port,...>", "control planes, in order of preference", hostPorts)
		.option("--envoy <file>", "Envoy to run (default: KEEPMESH_ENVOY, else the one of the set-up)")
		.option("--domain <suffix>", "DNS domain of the mesh's services", "cluster.local")
		.option("--dns-listen <addr[:port]>", "serve DNS for the pods here", ipPort)
		.option("--upstream-dns <addr[:port],...>", "resolvers for all other names", (text: string) =>
			list(text).map(ipPort),
		)
		.option("--proxy <sidecar|router>", "also put this machine itself into the mesh, with an Envoy of its own")
		.option("--ip <addr,...>", "with --proxy: addresses of this machine", list)
		.option("--workload <name>", "with --proxy: its name (default: the machine's)")
		.option("--namespace <name>", "with --proxy", "default")
		.option("--labels <name=value,...>", "with --proxy", labels, {})
		.option("--service-account <name>", "with --proxy", "default")
		.option(
			"--join-token-file <file>",
			"token of keepmesh token create, read when this node has no certificate (default: KEEPMESH_JOIN_TOKEN)",
		)
		.option(
			"--insecure-control",
			"talk to the control planes in plaintext, and prove nothing: closed labs and tests only",
		)
		.option("--certificates <trust-domain>", "with --insecure-control: have workloads certified all the same")
		.option("--vip-config <dir>", "run the VirtualIP resources of this directory, in a process of their own")
		.option("--keepalived-conf <file>", "run this keepalived.conf, in a process of its own")
		.addOption(
			new Option("--hot-switch [state]", "take new connections off a sidecar that ends or hangs: on or off")
				.choices(["on", "off"])
				.preset("on")
				.default("on"),
		)
		.option("--no-hot-switch", "start a sidecar that ends again, and do nothing else; the same as --hot-switch off")
		.option(
			"--no-replace-proxies",
			"leave Envoys alone whose program or start configuration has changed, until keepmesh restart-proxy",
		)
		.option("--stop-proxies", "on SIGTERM also drain and stop the Envoys and remove the redirects")
		.option("--grace-seconds <n>", "how long --stop-proxies waits for open connections", Number, 30)
		.option("--clean-up", "do not run: end what a killed agent left behind (Envoys, DNS, redirects), then exit")
		.action(async (flags: NodeFlags, command: Command) => {
			const state = resolve(flags.state);
			if (flags.cleanUp) return cleanUp(state);
			const control = flags.control ?? (flags.kubernetes ? inClusterControl : undefined);
			if (!control) return command.error("error: --control is missing, for example --control 10.0.0.1:15012");
			const machine = flags.proxy ? machineOf(flags, flags.proxy, control) : undefined;
			// Whoever proved nothing to its control planes is asked first: they decide where this machine's connections go. On
			// Kubernetes a kube-proxy may begin later.
			const asGiven = layer4Of(flags, flags.insecureControl === true || flags.kubernetes === true);
			const layer4 = asGiven && flags.kubernetes ? onKubernetes(asGiven) : asGiven;
			const kubernetes = kubernetesOf(flags);
			const log = startLog({ facts: { part: "node", node: flags.node } });
			// From the start on: a signal that comes while it starts is obeyed afterwards, not by dying half-way.
			const asked = new Promise<void>((done) => {
				process.once("SIGTERM", () => done()).once("SIGINT", () => done());
			});
			const node = await startNode(
				{
					name: flags.node,
					state,
					control,
					envoy: resolve(
						flags.envoy ?? process.env.KEEPMESH_ENVOY ?? `${import.meta.dirname}/../../../.keepmesh/envoy`,
					),
					domainSuffix: flags.domain,
					replaceProxies: flags.replaceProxies,
					security: securityOf(flags, kubernetes),
					...virtualIpsOf(flags),
					...(layer4 ? { layer4 } : {}),
					...(flags.hotSwitch === "on" ? { hotSwitch: defaultHotSwitchPolicy } : {}),
					...(machine ? { machine } : {}),
					...(flags.dnsListen ? { dnsListen: flags.dnsListen } : {}),
					...(flags.upstreamDns ? { upstreamDns: flags.upstreamDns } : {}),
					...(kubernetes ? { kubernetes } : {}),
				},
				{ log },
			).catch((error: unknown) => {
				if (error instanceof NodeCannotStart)
					throw new CliError(exitCodes.unavailable, error.message, "keepmesh node --help");
				throw error;
			});
			await asked;
			await node.close({ stopProxies: flags.stopProxies === true, graceMs: flags.graceSeconds * 1000 });
			process.exit(0);
		});
}

/** Where the chart has the control planes. */
const inClusterControl: readonly HostPort[] = [{ host: "keepmesh-control.keepmesh-system.svc", port: 15_012 }];

function withKubernetesNodeFlags(command: Command): Command {
	return withKubernetesFlags(command, "serve the pods of this Node that have our proxy; started by the DaemonSet")
		.option(
			"--no-cni",
			"put no CNI plug-in onto the node: proxies wait for their redirect, applications for their proxy",
		)
		.option("--cni-programs <dir>", "the node's directory of CNI programs, as mounted here", "/host/opt/cni/bin")
		.option("--cni-lists <dir>", "the node's directory of CNI configuration, as mounted here", "/host/etc/cni/net.d")
		.option("--kubelet-dir <dir>", "kubelet's directory on the node", "/var/lib/kubelet")
		.option("--account-token-file <file>", "this Pod's projected token", "/var/run/secrets/tokens/istio-token")
		.option("--system-namespace <name>", "where Keepmesh itself lives", process.env.POD_NAMESPACE || "keepmesh-system")
		.option("--revision <name>", "of the control planes in --control; pods of others are served by theirs", "default")
		.option("--run <dir>", "the node's directory for what a restart ends, mounted at the same path", "/run/keepmesh");
}

function kubernetesOf(flags: NodeFlags): NodeOptions["kubernetes"] {
	if (!flags.kubernetes) return undefined;
	const { cni, cniLists: lists, cniPrograms: programs, kubeletDir: kubelet, revision, run } = flags;
	const { systemNamespace: namespace } = flags;
	const client = openKubernetes(kubernetesAccess(flags), "node");
	const name = process.env.POD_NAME;
	return {
		client,
		namespace,
		revision,
		run,
		...(name ? { self: { name, namespace } } : {}),
		...(cni ? { cni: { programs, lists, kubelet } } : {}),
	};
}

/** The agent's Pod proves itself by its projected token, and knows the control planes by roots that they have written down. */
function accountOf({ accountTokenFile: file, systemNamespace }: NodeFlags, client: KubernetesClient) {
	return {
		readToken: () => undefined,
		tokenPlace: file,
		account: {
			readToken: () => textIn(file)?.trim(),
			place: file,
			roots: () => readRoots(client, systemNamespace),
		},
	};
}

function virtualIpsOf({ keepalivedConf: file, vipConfig: directory }: NodeFlags): Pick<NodeOptions, "virtualIps"> {
	if (file !== undefined && directory !== undefined)
		throw new CliError(
			exitCodes.usage,
			"--vip-config and --keepalived-conf exclude one another",
			"keepmesh vip import FILE makes resources of a keepalived.conf",
		);
	if (file !== undefined) return { virtualIps: { type: "keepalivedConf", file: resolve(file) } };
	return directory === undefined ? {} : { virtualIps: { type: "resources", directory: resolve(directory) } };
}

/** Never a token itself on the command line: every user of the machine can read that. */
function securityOf(flags: NodeFlags, kubernetes: NodeOptions["kubernetes"]): NodeSecurity {
	const { joinTokenFile: file, insecureControl, certificates } = flags;
	if (insecureControl) {
		if (file !== undefined)
			throw new CliError(exitCodes.usage, "--insecure-control joins nothing", "leave --join-token-file out");
		return { mode: "plaintext", ...(certificates ? { trustDomain: certificates } : {}) };
	}
	if (certificates)
		throw new CliError(
			exitCodes.usage,
			"--certificates is for --insecure-control: the trust domain comes with the node's certificate",
			"leave --certificates out",
		);
	if (file !== undefined) return { mode: "mutualTls", readToken: () => textIn(file), tokenPlace: resolve(file) };
	if (kubernetes) return { mode: "mutualTls", ...accountOf(flags, kubernetes.client) };
	const token = process.env.KEEPMESH_JOIN_TOKEN;
	// Envoys and the DNS process run as another user, who can see the environment that they start with.
	delete process.env.KEEPMESH_JOIN_TOKEN;
	return { mode: "mutualTls", readToken: () => token, tokenPlace: "the environment, KEEPMESH_JOIN_TOKEN" };
}

function textIn(file: string): string | undefined {
	try {
		return readFileSync(file, "utf8");
	} catch {
		return undefined;
	}
}

async function cleanUp(state: string): Promise<void> {
	const outcome = await cleanUpNode(state);
	if (!outcome.ok) throw new CliError(exitCodes.failure, outcome.because, `keepmesh node --state ${state} --clean-up`);
	console.error(`ended ${outcome.processes} processes, removed ${outcome.redirects} redirects of ${state}`);
}

function machineOf(flags: NodeFlags, proxy: string, control: readonly HostPort[]): PodSpec {
	const parsed = parsePodSpec(
		machineProxyRequest({
			proxy: proxy as "sidecar" | "router",
			workload: flags.workload ?? flags.node,
			namespace: flags.namespace,
			ips: flags.ip ?? [],
			labels: flags.labels,
			serviceAccount: flags.serviceAccount,
			controlPorts: control.map(({ port }) => port),
		}),
	);
	if (parsed.ok) return parsed.pod;
	const reasons = parsed.problems.map((problem) => `--${problem.path} ${problem.message} (${problem.hint})`);
	throw new CliError(exitCodes.usage, reasons.join("; "), "keepmesh node --help");
}

function labels(text: string): Readonly<Record<string, string>> {
	return Object.fromEntries(
		list(text).map((item) => {
			const [name = "", value] = item.split("=", 2);
			if (name === "" || value === undefined) throw new InvalidArgumentError(`"${item}" is not NAME=VALUE`);
			return [name, value];
		}),
	);
}

function list(text: string): readonly string[] {
	return text
		.split(",")
		.map((item) => item.trim())
		.filter((item) => item !== "");
}

function ipPort(text: string): IpPort {
	const parsed = parseIpPort(text, 53);
	if (!parsed) throw new InvalidArgumentError(`"${text}" is not ADDRESS[:PORT], for example 10.0.0.1:53`);
	return parsed;
}

function hostPorts(text: string): readonly HostPort[] {
	const values = list(text).map((value) => {
		const match = value.match(/^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]]+)):(\d{1,5})$/);
		if (!match) throw new InvalidArgumentError(`"${value}" is not HOST:PORT, for example 10.0.0.1:15012`);
		return { host: match[1] ?? match[2] ?? "", port: Number(match[3]) };
	});
	if (values.length === 0) throw new InvalidArgumentError("name at least one HOST:PORT");
	return values;
}

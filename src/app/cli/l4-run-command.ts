// keepmesh l4 run: Services of a directory, or of an API server, in this machine's kernel, until SIGTERM, which leaves the rules; and
// virtual_server blocks beside them. With --keepalived-conf alone it never comes here: bin/keepmesh.ts runs those without the libraries of the command line.

import { mkdirSync } from "node:fs";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { Command } from "commander";
import { lostNodesName } from "../../kubernetes/nodes-alive/wire/lost-nodes-object.ts";
import { realClock } from "../../runtime/clock.ts";
import { type Log, startLog } from "../../runtime/log.ts";
import { defaultKubernetesControl } from "../kubernetes/kubernetes-control-options.ts";
import type { OpenLayer4Source } from "../l4/fed-layer4.ts";
import type { VirtualServerProcess } from "../l4/virtual-server-process.ts";
import { virtualServerLock } from "../l4/virtual-server-socket.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { type KubernetesFlags, kubernetesAccess, withKubernetesFlags } from "./kubernetes-flags.ts";
import { defaultNodeState } from "./l4-source.ts";
import { type Layer4Flags, layer4Of, onKubernetes, withLayer4Flags } from "./layer4-flags.ts";
import { say } from "./terminal.ts";

interface RunFlags extends Layer4Flags, KubernetesFlags {
	readonly filename?: readonly string[];
	readonly node: string;
	readonly state: string;
	readonly cleanUp?: boolean;
	readonly keepalivedConf?: string;
	readonly keepRules?: boolean;
	readonly lostNodes?: string;
}

export function l4RunCommand(): Command {
	const command = withLayer4Flags(
		new Command("run")
			.description(
				"Balances connections to the Services of files, or of a Kubernetes cluster, on this machine, until SIGTERM, which leaves the rules; or to the virtual_server blocks of a keepalived.conf, whose rules end with it.",
			)
			.option(
				"-f, --filename <path...>",
				"directories or files of Services, EndpointSlices and Pods; their changes are followed",
			)
			.option(
				"--keepalived-conf <file>",
				"balance its virtual_server blocks as well, or alone; SIGHUP reads it again, and so does a change of the file",
			)
			.option("--keep-rules", "with --keepalived-conf: leave the rules of virtual servers when it stops")
			.option("--backend <name>", "with --keepalived-conf alone: auto (IPVS where the kernel has it), nftables or ipvs")
			.option(
				"--metrics-listen <address:port>",
				"with --keepalived-conf alone: serve metrics and status over TCP as well",
			)
			.option("--node <name>", "this machine's name in EndpointSlices and Pods", hostname())
			.option("--state <dir>", "directory of the local API's socket", defaultNodeState)
			.option("--clean-up", "do not run: take the rules away that an earlier run left, then exit"),
	);
	return withKubernetesFlags(command, "Services, EndpointSlices and this Node from the API server; instead of -f")
		.option(
			"--lost-nodes <namespace/name>",
			"ConfigMap in which control planes say which nodes are lost",
			`${defaultKubernetesControl.namespace}/${lostNodesName}`,
		)
		.action(run);
}

async function run(flags: RunFlags, command: Command): Promise<void> {
	if (flags.cleanUp) return cleanUp(resolve(flags.state));
	if (!flags.kubernetes && flags.filename === undefined)
		return command.error("error: -f is missing, for example -f services/, or --kubernetes, or --keepalived-conf FILE");
	if (process.getuid?.() !== 0)
		throw new CliError(exitCodes.noPermission, "rules in the kernel are for root to write", "sudo keepmesh l4 run ...");
	const layer4 = layer4Of(flags, false);
	if (!layer4) throw new CliError(exitCodes.usage, "--layer4 off leaves nothing to do", "keepmesh l4 run --help");
	const state = resolve(flags.state);
	mkdirSync(state, { recursive: true, mode: 0o711 });
	const log = startLog({ facts: { part: "l4", node: flags.node } });
	const asked = new Promise<void>((done) => {
		process.once("SIGTERM", () => done()).once("SIGINT", () => done());
	});
	const { Layer4CannotRun, startLayer4 } = await import("../l4.ts");
	const source = flags.kubernetes ? await apiSource(flags, log) : await fileSource(flags.filename ?? [], log);
	const settings = flags.kubernetes ? onKubernetes(layer4) : layer4;
	const starting = startLayer4(
		{ openSource: source, socketPath: join(state, "node.sock"), layer4: settings },
		{ clock: realClock, log },
	);
	// While an API server cannot be asked this takes as long as it takes.
	const running = await Promise.race([starting, asked]).catch((error: unknown) => {
		if (error instanceof Layer4CannotRun) throw new CliError(exitCodes.unavailable, error.message, error.next);
		throw error;
	});
	if (!running) process.exit(0);
	const from = flags.kubernetes ? "the Kubernetes API" : flags.filename;
	log.info({ node: flags.node, resources: from, state }, "layer 4 runs");
	const virtual = await startVirtual(flags, state, log);
	await asked;
	await virtual?.close({ keepRules: flags.keepRules === true });
	await running.close();
	process.exit(0);
}

async function fileSource(roots: readonly string[], log: Log): Promise<OpenLayer4Source> {
	const { fileServices } = await import("../l4/file-services.ts");
	return fileServices(roots, { clock: realClock, log });
}

async function apiSource(flags: RunFlags, log: Log): Promise<OpenLayer4Source> {
	const [namespace, name, ...more] = (flags.lostNodes ?? "").split("/");
	if (!namespace || !name || more.length > 0)
		throw new CliError(exitCodes.usage, `"${flags.lostNodes}" is no NAMESPACE/NAME`, "keepmesh l4 run --help");
	const { openKubernetes } = await import("../kubernetes/open-kubernetes.ts");
	const { apiLayer4 } = await import("../kubernetes/api-layer4.ts");
	const { AccessError } = await import("../../kubernetes/client/server-access.ts");
	try {
		const client = openKubernetes(kubernetesAccess(flags), "l4");
		const { node, zone } = flags;
		return apiLayer4(
			{ node, lostNodes: { namespace, name }, ...(zone === undefined ? {} : { zone }) },
			{ client, clock: realClock, log },
		);
	} catch (error) {
		if (error instanceof AccessError) throw new CliError(exitCodes.usage, error.message, "--kubeconfig FILE");
		throw error;
	}
}

/** In tables of their own, as a process that runs them alone has them. */
async function startVirtual(
	{ keepalivedConf: file, layer4: backend }: RunFlags,
	state: string,
	log: Log,
): Promise<VirtualServerProcess | undefined> {
	if (file === undefined || backend === "off") return undefined;
	const { startVirtualServerProcess } = await import("../l4/virtual-server-process.ts");
	const { lockNamespace } = await import("../namespace-lock.ts");
	if (!(await lockNamespace(2000, virtualServerLock)))
		throw new CliError(
			exitCodes.unavailable,
			"another process runs virtual servers in this network namespace",
			"stop that one first",
		);
	const started = await startVirtualServerProcess({ file, backend: backend ?? "auto", state }, { log });
	if ("because" in started) throw new CliError(exitCodes.unavailable, started.because, "keepmesh check --for l4");
	process.on("SIGHUP", () => void started.reload());
	return started;
}

async function cleanUp(state: string): Promise<void> {
	const { answersOnSocket } = await import("../../node/unix-server.ts");
	if (await answersOnSocket(join(state, "node.sock")))
		throw new CliError(exitCodes.unavailable, `layer 4 runs on ${state}`, "stop it first");
	const { removeLayer4Rules } = await import("../../node/layer4/remove-rules.ts");
	const removed = await removeLayer4Rules(state).catch((error: Error) => {
		throw new CliError(exitCodes.failure, error.message, "sudo keepmesh l4 run --clean-up");
	});
	say(`removed ${removed.tables} tables and ${removed.virtualServers} virtual servers`);
}

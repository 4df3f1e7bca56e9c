// keepmesh l4 run: Services of a directory in this machine's kernel, until SIGTERM, which leaves the rules; and virtual_server blocks
// beside them. With --keepalived-conf alone it never comes here: bin/keepmesh.ts runs those without the libraries of the command line.

import { mkdirSync } from "node:fs";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { Command } from "commander";
import { realClock } from "../../runtime/clock.ts";
import { type Log, startLog } from "../../runtime/log.ts";
import type { VirtualServerProcess } from "../l4/virtual-server-process.ts";
import { virtualServerLock } from "../l4/virtual-server-socket.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { defaultNodeState } from "./l4-source.ts";
import { type Layer4Flags, layer4Of, withLayer4Flags } from "./layer4-flags.ts";
import { say } from "./terminal.ts";

interface RunFlags extends Layer4Flags {
	readonly filename?: readonly string[];
	readonly node: string;
	readonly state: string;
	readonly cleanUp?: boolean;
	readonly keepalivedConf?: string;
	readonly keepRules?: boolean;
}

export function l4RunCommand(): Command {
	return withLayer4Flags(
		new Command("run")
			.description(
				"Balances connections to the Services of files on this machine, until SIGTERM, which leaves the rules; or to the virtual_server blocks of a keepalived.conf, whose rules end with it.",
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
	).action(async (flags: RunFlags, command: Command) => {
		if (flags.cleanUp) return cleanUp(resolve(flags.state));
		if (flags.filename === undefined)
			return command.error("error: -f is missing, for example -f services/, or --keepalived-conf FILE");
		if (process.getuid?.() !== 0)
			throw new CliError(
				exitCodes.noPermission,
				"rules in the kernel are for root to write",
				"sudo keepmesh l4 run ...",
			);
		const layer4 = layer4Of(flags, false);
		if (!layer4) throw new CliError(exitCodes.usage, "--layer4 off leaves nothing to do", "keepmesh l4 run --help");
		const state = resolve(flags.state);
		mkdirSync(state, { recursive: true, mode: 0o711 });
		const log = startLog({ facts: { part: "l4", node: flags.node } });
		const asked = new Promise<void>((done) => {
			process.once("SIGTERM", () => done()).once("SIGINT", () => done());
		});
		const { Layer4CannotRun, startLayer4 } = await import("../l4.ts");
		const running = await startLayer4(
			{ resources: flags.filename, socketPath: join(state, "node.sock"), layer4 },
			{ clock: realClock, log },
		).catch((error: unknown) => {
			if (error instanceof Layer4CannotRun) throw new CliError(exitCodes.unavailable, error.message, error.next);
			throw error;
		});
		log.info({ node: flags.node, resources: flags.filename, state }, "layer 4 runs");
		const virtual = await startVirtual(flags, state, log);
		await asked;
		await virtual?.close({ keepRules: flags.keepRules === true });
		await running.close();
		process.exit(0);
	});
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

// keepmesh l4 run: Services of a directory in this machine's kernel, until SIGTERM, which leaves the rules.

import { mkdirSync } from "node:fs";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { Command } from "commander";
import { realClock } from "../../runtime/clock.ts";
import { startLog } from "../../runtime/log.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { defaultNodeState } from "./l4-source.ts";
import { type Layer4Flags, layer4Of, withLayer4Flags } from "./layer4-flags.ts";
import { say } from "./terminal.ts";

interface RunFlags extends Layer4Flags {
	readonly filename?: readonly string[];
	readonly node: string;
	readonly state: string;
	readonly cleanUp?: boolean;
}

export function l4RunCommand(): Command {
	return withLayer4Flags(
		new Command("run")
			.description(
				"Balances connections to the Services of files on this machine, until SIGTERM, which leaves the rules.",
			)
			.option(
				"-f, --filename <path...>",
				"directories or files of Services, EndpointSlices and Pods; their changes are followed",
			)
			.option("--node <name>", "this machine's name in EndpointSlices and Pods", hostname())
			.option("--state <dir>", "directory of the local API's socket", defaultNodeState)
			.option("--clean-up", "do not run: take the rules away that an earlier run left, then exit"),
	).action(async (flags: RunFlags, command: Command) => {
		if (flags.cleanUp) return cleanUp();
		if (flags.filename === undefined) return command.error("error: -f is missing, for example -f services/");
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
			if (error instanceof Layer4CannotRun)
				throw new CliError(exitCodes.unavailable, error.message, "keepmesh check --for l4");
			throw error;
		});
		log.info({ node: flags.node, resources: flags.filename, state }, "layer 4 runs");
		await asked;
		await running.close();
		process.exit(0);
	});
}

async function cleanUp(): Promise<void> {
	const { removeLayer4Rules } = await import("../../node/layer4/remove-rules.ts");
	const removed = await removeLayer4Rules().catch((error: Error) => {
		throw new CliError(exitCodes.failure, error.message, "sudo keepmesh l4 run --clean-up");
	});
	say(`removed ${removed} tables`);
}

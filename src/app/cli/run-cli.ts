// The command line: finds the command, loads only its module, and turns every failure into an exit code (sysexits), one
// sentence and the next thing to type.

import { type Command, CommanderError } from "commander";
import { nearestName } from "../../resources/text/nearest-name.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { type CommandEntry, commandList } from "./command-list.ts";

import { paint, print, say } from "./terminal.ts";

/** Runs one command line; resolves to the exit code (sysexits). */
export async function runCli(args: readonly string[]): Promise<number> {
	// A reader that has seen enough (head, less) is no failure.
	process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? exitCodes.ok : 1));
	// Prose that nobody reads is lost, and the work goes on.
	process.stderr.on("error", () => {});
	const [first, ...rest] = args;
	try {
		if (first === undefined) {
			say(helpText());
			return exitCodes.usage;
		}
		if (first === "--help" || first === "-h") {
			print(helpText());
			return exitCodes.ok;
		}
		if (first === "help") return await runHelp(rest);
		const name = first === "--version" || first === "-V" ? "version" : first;
		return await runCommand(entryNamed(name), rest);
	} catch (error) {
		return reportFailure(error);
	}
}

async function runHelp(rest: readonly string[]): Promise<number> {
	const [name] = rest;
	if (name === undefined) {
		print(helpText());
		return exitCodes.ok;
	}
	return await runCommand(entryNamed(name), ["--help"]);
}

async function runCommand(entry: CommandEntry, args: readonly string[]): Promise<number> {
	const command = await entry.load();
	prepare(command, `keepmesh ${entry.name}`);
	try {
		await command.parseAsync([...args], { from: "user" });
		return Number(process.exitCode ?? exitCodes.ok);
	} catch (error) {
		if (!(error instanceof CommanderError)) throw error;
		if (error.exitCode === 0) return exitCodes.ok;
		say(`next: keepmesh ${entry.name} --help`);
		return exitCodes.usage;
	}
}

/** Commander must throw instead of ending the process, in subcommands as well. */
function prepare(command: Command, name: string): void {
	command.name(name).exitOverride().showSuggestionAfterError(true);
	const prepareBelow = (parent: Command): void => {
		for (const child of parent.commands) {
			child.exitOverride().copyInheritedSettings(parent);
			prepareBelow(child);
		}
	};
	prepareBelow(command);
}

function entryNamed(name: string): CommandEntry {
	const entry = commandList.find((candidate) => candidate.name === name);
	if (entry) return entry;
	const names = commandList.map((candidate) => candidate.name);
	const nearest = nearestName(name, names);
	throw new CliError(
		exitCodes.usage,
		`there is no command "${name}"${nearest ? `; did you mean "${nearest}"?` : ""}`,
		nearest ? `keepmesh ${nearest} --help` : "keepmesh help",
	);
}

function reportFailure(error: unknown): number {
	if (error instanceof CliError) {
		say(`${paint("red", "error:", process.stderr)} ${error.message}`);
		if (error.next !== "") say(`next: ${error.next}`);
		return error.exitCode;
	}
	const isMissing = (error as NodeJS.ErrnoException | undefined)?.code === "ERR_MODULE_NOT_FOUND";
	say(`${paint("red", "error:", process.stderr)} ${error instanceof Error ? error.message : String(error)}`);
	if (isMissing) say("next: ./keepmesh version (it sets up what is missing)");
	else {
		if (error instanceof Error && error.stack) say(error.stack.split("\n").slice(1, 6).join("\n"));
		say("next: this should not happen; please report it with the lines above");
	}
	return exitCodes.failure;
}

function helpText(): string {
	const width = Math.max(...commandList.map((entry) => entry.name.length));
	const lines = commandList.map((entry) => `  ${entry.name.padEnd(width)}  ${entry.summary}`);
	return `A service mesh that keeps serving when its parts die.\n\nUsage: keepmesh COMMAND [options]\n\n${lines.join("\n")}\n\nkeepmesh COMMAND --help tells more. First time here: keepmesh demo`;
}

// keepmesh hotswitch: takes over the redirect of a pod that Istio's init container set up; takes it off and puts it back, by
// hand or as the proxy's readiness says.

import { Command, InvalidArgumentError, Option } from "commander";
import { startHttpProbe } from "../../health/probes/http-probe.ts";
import type { AdoptedRedirect } from "../../hotswitch/adopt/adopted-redirect.ts";
import {
	type AdoptOptions,
	type AdoptResult,
	adoptedState,
	adoptRedirect,
	bypassRedirect,
	restoreRedirect,
} from "../../node/adopted/adopted-redirects.ts";
import { AdoptedStore } from "../../node/adopted/adopted-store.ts";
import { sourceName } from "../../node/adopted/read-redirect.ts";
import { ReadinessSwitch } from "../../node/adopted/readiness-switch.ts";
import { realClock } from "../../runtime/clock.ts";
import { durationMs } from "./certificate-flags.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { print, renderAge, renderTable, say } from "./terminal.ts";

const defaultState = "/var/lib/keepmesh/adopted";

interface Flags {
	readonly netns?: string;
	readonly pid?: number;
	readonly state: string;
	readonly dryRun?: boolean;
	readonly replace?: boolean;
}

interface WatchFlags extends Flags {
	readonly readiness: string;
	readonly interval: number;
	readonly timeout: number;
	readonly fall: number;
	readonly rise: number;
}

export function hotswitchCommand(): Command {
	const command = new Command("hotswitch").description(
		"Pods that Istio's init container redirected: save their rules, take them off, put them back.",
	);
	withPod(command.command("adopt"))
		.description("Finds the rules that Istio wrote, prints and saves them. The kernel is not changed.")
		.option("--replace", "save what is there now in place of an older record")
		.action((flags: Flags) => adopt(flags));
	withState(command.command("adopted")).description("Lists the saved redirects and what became of them.").action(list);
	withPod(command.command("bypass"))
		.description("Removes the saved rules: new connections go past the proxy.")
		.action((flags: Flags) => change("bypass", flags));
	withPod(command.command("restore"))
		.description("Puts the saved rules back, each in its place.")
		.action((flags: Flags) => change("restore", flags));
	withPod(command.command("watch"), { dryRun: false })
		.description("Takes the saved rules off while the proxy is not ready, and puts them back: until SIGTERM or SIGINT.")
		.requiredOption(
			"--readiness <url>",
			"the proxy's, as this machine reaches it: http://POD-IP:15021/healthz/ready",
			httpUrl,
		)
		.addOption(new Option("--interval <duration>", "between two checks").argParser(durationMs).default(1_000, "1s"))
		.addOption(new Option("--timeout <duration>", "of one check").argParser(durationMs).default(1_000, "1s"))
		.option("--fall <count>", "failures in a row until the rules come off", positive, 3)
		.option("--rise <count>", "successes in a row until they are put back", positive, 2)
		.action(watch);
	return command;
}

const withState = (command: Command): Command => command.option("--state <dir>", "where the records are", defaultState);

function withPod(command: Command, { dryRun } = { dryRun: true }): Command {
	withState(command)
		.option("--netns <path>", "the pod's network namespace, /run/netns/NAME")
		.option("--pid <pid>", "a process of the pod, instead", positive);
	return dryRun ? command.option("--dry-run", "only print what would be done") : command;
}

async function adopt(flags: Flags): Promise<void> {
	const options = optionsOf("adopt", flags);
	const { isDone, record } = successOf("adopt", flags, await guarded(flags, () => adoptRedirect(options)));
	print(renderTable(["RULES", "TABLE", "CHAINS", "IN OTHER CHAINS"], rowsOf(record)));
	for (const { family, routes, rules } of record.routing)
		print(
			[...rules.map((rule) => `ip -${family} rule ${rule}`), ...routes.map((r) => `ip -${family} route ${r}`)].join(
				"\n",
			),
		);
	if (!isDone) say(`Saved already, ${new Date(record.savedMs).toISOString()}. Nothing was changed.`);
	else if (flags.dryRun) say("Nothing was saved.");
	else say(`Saved in ${flags.state}. To take them off: keepmesh hotswitch bypass ${podFlags(flags)}`);
}

async function change(action: "bypass" | "restore", flags: Flags, why = ""): Promise<void> {
	const options = optionsOf(action, flags);
	const run = action === "bypass" ? bypassRedirect : restoreRedirect;
	const { isDone, texts } = successOf(action, flags, await guarded(flags, () => run(options)));
	if (flags.dryRun) {
		for (const { source, text } of texts) print(`# ${source}\n${text}`);
		say(isDone ? "Nothing was changed." : "There is nothing to do.");
		return;
	}
	const state = action === "bypass" ? "removed" : "in place";
	print(`${why}redirect ${state}${isDone ? "" : " already"}`);
}

async function list(flags: Flags): Promise<void> {
	const records = await guarded(flags, async () => new AdoptedStore(flags.state).list());
	const nowMs = Date.now();
	const rows = await Promise.all(
		records.map(async (record) => [
			record.namespace.path,
			String(record.namespace.inode),
			await guarded(flags, () => adoptedState(record)),
			renderAge(nowMs - record.savedMs),
			record.parts.map(sourceName).join(", "),
		]),
	);
	print(renderTable(["NAMESPACE", "INODE", "REDIRECT", "SAVED", "RULES"], rows));
}

async function watch(flags: WatchFlags): Promise<void> {
	const { fall, interval, readiness, rise, timeout } = flags;
	// Before anything is watched: whoever has not adopted hears it now.
	successOf(
		"bypass",
		flags,
		await guarded(flags, () => bypassRedirect({ ...optionsOf("watch", flags), dryRun: true })),
	);
	let because = "";
	let failure = "";
	const readinessSwitch = new ReadinessSwitch({ rise, fall }, async (order) => {
		try {
			await change(order, flags, `${readiness} says ${because}: `);
			failure = "";
			return true;
		} catch (error) {
			const message = error instanceof CliError ? `${error.message}\nnext: ${error.next}` : String(error);
			if (message !== failure) say(message);
			failure = message;
			return false;
		}
	});
	const check = { type: "http", url: readiness, insecure: false, intervalMs: interval, timeoutMs: timeout } as const;
	const probe = startHttpProbe(check, {
		clock: realClock,
		onResult: (result) => {
			because = result.because;
			readinessSwitch.count(result.ok);
		},
	});
	await new Promise<void>((resolve) => {
		for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
	});
	probe.close();
}

function rowsOf(record: AdoptedRedirect): readonly (readonly string[])[] {
	return record.parts.flatMap((part) =>
		part.tables.map(({ chains, hooks, name }) => [
			sourceName(part),
			name,
			chains.map((chain) => `${chain.name}(${chain.rules.length})`).join(" ") || "-",
			hooks.map((hook) => `${hook.name}(${hook.istio.length} of ${hook.rules.length})`).join(" ") || "-",
		]),
	);
}

function optionsOf(action: string, flags: Flags): AdoptOptions {
	if ((flags.netns === undefined) === (flags.pid === undefined))
		throw new CliError(
			exitCodes.usage,
			"say which pod: --netns PATH or --pid PID",
			`keepmesh hotswitch ${action} --pid PID`,
		);
	if (process.getuid?.() !== 0)
		throw new CliError(
			exitCodes.noPermission,
			"to enter a pod's network namespace needs root",
			`sudo ./keepmesh hotswitch ${action} ${podFlags(flags)}`,
		);
	return {
		netns: flags.netns ?? `/proc/${flags.pid}/ns/net`,
		store: new AdoptedStore(flags.state),
		dryRun: flags.dryRun === true,
		replace: flags.replace === true,
		nowMs: Date.now(),
	};
}

function successOf(action: string, flags: Flags, result: AdoptResult): Extract<AdoptResult, { ok: true }> {
	if (result.ok) return result;
	const pod = podFlags(flags);
	switch (result.because) {
		case "noNamespace":
			throw new CliError(exitCodes.noInput, `there is no network namespace ${pod}`, "ip netns list");
		case "noRedirect":
			throw new CliError(
				exitCodes.unavailable,
				"this pod has no rules that Istio's init container writes",
				`nsenter --net=PATH iptables-save`,
			);
		case "notAdopted":
			throw new CliError(
				exitCodes.unavailable,
				"this pod's redirect has not been saved; a record of another namespace is never used",
				`keepmesh hotswitch adopt ${pod}`,
			);
		case "changed":
			throw new CliError(
				exitCodes.data,
				`another program has changed these rules since they were saved: ${result.differences.join("; ")}`,
				(action === "adopt" || action === "bypass") && !flags.replace
					? `keepmesh hotswitch adopt ${pod} --replace, to save them as they are now`
					: `take that change back, then: keepmesh hotswitch restore ${pod}`,
			);
		case "refused":
			throw new CliError(exitCodes.failure, result.message, result.hint);
		default:
			return result satisfies never;
	}
}

/** The calls below throw where the system says no: a record that cannot be read, a namespace that cannot be entered. */
async function guarded<Result>({ state }: Flags, run: () => Promise<Result>): Promise<Result> {
	try {
		return await run();
	} catch (error) {
		throw new CliError(exitCodes.failure, error instanceof Error ? error.message : String(error), `ls -l ${state}`);
	}
}

const podFlags = ({ netns, pid, state }: Flags): string =>
	(netns === undefined ? `--pid ${pid}` : `--netns ${netns}`) + (state === defaultState ? "" : ` --state ${state}`);

function positive(text: string): number {
	if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError("give a whole number above 0");
	return Number(text);
}

function httpUrl(text: string): string {
	if (!/^https?:$/.test(URL.parse(text)?.protocol ?? ""))
		throw new InvalidArgumentError("give it as http://HOST:PORT/PATH");
	return text;
}

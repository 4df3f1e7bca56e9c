// A script each interval, in a process group of its own: exit code 0 is good. One that takes too long gets SIGTERM and two seconds
// later SIGKILL, and counts as failed when it has ended, not before: so there are never two at once (vrrp_script).

import { spawn } from "node:child_process";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { TrackerCheck } from "../../vip/vip-config.ts";
import { afterPatiently } from "./patient-timeout.ts";
import { type CheckOutcome, startPolledProbe } from "./polled-probe.ts";
import type { Probe, ProbeContext, ScriptSettings } from "./probe.ts";
import { whyUnsafe } from "./script-security.ts";
import { type UserIds, userIds } from "./user-ids.ts";

type ScriptCheck = Extract<TrackerCheck, { type: "script" }>;
export type ScriptOrder = Pick<ScriptCheck, "argv" | "timeoutMs" | "user" | "group">;

const killAfterMs = 2000;
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export function startScriptProbe(check: ScriptCheck, context: ProbeContext): Probe {
	const settings = context.scripts ?? { security: false };
	const runner = runnerOf(check, settings);
	if (!runner.ok) return { refused: runner.because, recheck: () => undefined, close: () => undefined };
	return startPolledProbe(
		{ intervalMs: check.intervalMs, timeoutMs: check.timeoutMs, endsItself: true },
		(signal) => run(check, settings, runner.ids, context.clock, signal),
		context,
	);
}

export interface ScriptOutcome extends CheckOutcome {
	/** Of a script that ended by itself. */
	readonly exitCode?: number;
}

/** Once, until it has ended. One that may not be run has failed. */
export async function runScriptOnce(
	check: ScriptOrder,
	{ clock, scripts = { security: false } }: Pick<ProbeContext, "clock" | "scripts">,
	signal: AbortSignal,
): Promise<ScriptOutcome> {
	const runner = runnerOf(check, scripts);
	return runner.ok ? run(check, scripts, runner.ids, clock, signal) : runner;
}

/** Why it will never be run; undefined: it may be. */
export function whyScriptRefused(check: ScriptOrder, scripts: ScriptSettings): string | undefined {
	const runner = runnerOf(check, scripts);
	return runner.ok ? undefined : runner.because;
}

function runnerOf(
	check: ScriptOrder,
	settings: ScriptSettings,
): { readonly ok: true; readonly ids: UserIds | undefined } | { readonly ok: false; readonly because: string } {
	const user = check.user ?? settings.user;
	const group = check.user === undefined ? settings.group : check.group;
	const ids = user === undefined ? undefined : userIds(user, group);
	if (user !== undefined && !ids) return { ok: false, because: `no user ${user}${group ? ` or group ${group}` : ""}` };
	const uid = ids?.uid ?? process.getuid?.() ?? 0;
	const [program] = check.argv;
	if (program === undefined) return { ok: false, because: "no command" };
	const unsafe = settings.security && uid === 0 ? whyUnsafe(program) : undefined;
	if (unsafe) return { ok: false, because: `not run as root: ${unsafe}` };
	// A process that is not root can only be itself.
	return { ok: true, ids: process.getuid?.() === 0 ? ids : undefined };
}

function run(
	check: ScriptOrder,
	settings: ScriptSettings,
	ids: UserIds | undefined,
	clock: Clock,
	signal: AbortSignal,
): Promise<ScriptOutcome> {
	const [program = "", ...args] = check.argv;
	return new Promise((resolve) => {
		const child = spawn(program, args, {
			detached: true,
			stdio: "ignore",
			cwd: "/",
			env: { PATH: defaultPath, ...settings.environment },
			...ids,
		});
		let timedOut = false;
		let timer: Cancel | undefined;
		const signalGroup = (name: NodeJS.Signals): void => {
			try {
				if (child.pid !== undefined) process.kill(-child.pid, name);
			} catch {
				// It has ended in the meantime.
			}
		};
		const terminate = (): void => {
			timer?.();
			signalGroup("SIGTERM");
			timer = clock.after(killAfterMs, () => signalGroup("SIGKILL"));
		};
		timer = afterPatiently(clock, check.timeoutMs, () => {
			timedOut = true;
			terminate();
		});
		const end = (outcome: ScriptOutcome): void => {
			timer?.();
			signal.removeEventListener("abort", terminate);
			resolve(outcome);
		};
		signal.addEventListener("abort", terminate, { once: true });
		child.once("error", (error: NodeJS.ErrnoException) =>
			end({ ok: false, because: `cannot be started: ${error.code ?? error.message}` }),
		);
		child.once("exit", (code, killedBy) => {
			// What it left behind must not outlive it.
			if (timedOut || signal.aborted) signalGroup("SIGKILL");
			end(outcomeOf(code, killedBy, timedOut, check.timeoutMs));
		});
	});
}

function outcomeOf(
	code: number | null,
	killedBy: NodeJS.Signals | null,
	timedOut: boolean,
	timeoutMs: number,
): ScriptOutcome {
	if (timedOut && killedBy !== null) return { ok: false, because: `not done within ${timeoutMs} ms` };
	if (killedBy !== null) return { ok: false, because: `ended by ${killedBy}` };
	return { ok: code === 0, because: `exit code ${code}`, ...(code === null ? {} : { exitCode: code }) };
}

// Scripts: what they cost in time, and files that are not there, cannot be run, or can be changed by others.

import type { TrackerConfig } from "../../vip-config.ts";
import type { Report } from "../conf-report.ts";
import { failoverTimes, renderSpan } from "../failover-times.ts";
import type { NodeFile } from "./node-file.ts";

/** What is known of a file; undefined when it is not there. */
export interface ScriptFacts {
	readonly executable: boolean;
	/** Somebody else than root may write it or a directory above it. */
	readonly writableBy?: string;
}

export type ScriptLookUp = (path: string) => ScriptFacts | undefined;

export function warnOfScripts(file: NodeFile, lookUp: ScriptLookUp | undefined, report: Report): void {
	for (const tracker of file.config.trackers) {
		if (tracker.check.type !== "script") continue;
		const subject = {
			place: { file: file.path, line: file.line("", `vrrp_script ${tracker.name}`) },
			block: `vrrp_script ${tracker.name}`,
			directive: "script",
		};
		const warn = (message: string, hint: string): void => report.warn(subject, message, hint, "KM-trap");
		warnOfInterval(tracker, file, warn);
		const [program] = tracker.check.argv;
		if (!lookUp || program === undefined || !program.startsWith("/") || program === "/bin/sh") continue;
		const facts = lookUp(program);
		if (!facts)
			warn(
				`${program} is not on this machine: keepalived does not track it then, and never says so again`,
				"put it there before the start",
			);
		else if (!facts.executable) warn(`${program} cannot be run`, `chmod 755 ${program}`);
		else if (facts.writableBy !== undefined)
			warn(
				`${facts.writableBy} may write ${program}, and it runs as ${tracker.check.user ?? file.config.global.scripts.user}`,
				`chown root ${program}, chmod go-w ${program}, and write enable_script_security`,
			);
	}
}

/** A check that is slower than VRRP itself decides how fast the addresses move. */
function warnOfInterval(tracker: TrackerConfig, file: NodeFile, warn: (message: string, hint: string) => void): void {
	const owner = file.config.instances.find(({ tracked }) => tracked.some((one) => one.tracker === tracker.name));
	if (!owner || tracker.check.type !== "script") return;
	const { intervalMs } = tracker.check;
	const { stop, checks } = failoverTimes(owner, owner, [tracker]);
	const [mine] = checks;
	if (!mine || mine.span.maxMs < 2 * stop.maxMs + 500) return;
	warn(
		`a failure moves the addresses after ${renderSpan(mine.span)}: ${tracker.fall} ${tracker.fall === 1 ? "run" : "runs"} ${intervalMs} ms apart, and the script's own time`,
		"track_process and track_file have no interval; a check of a VirtualIP (tcp, http) runs each 50 ms without starting a process",
	);
}

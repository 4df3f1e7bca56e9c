// What stands under `status` of a resource: what the mesh knows of it comes in, conditions, counts and reasons go out, as in the
// definitions of the kinds (src/kubernetes/crds/status-schema.ts).

import type { FateProblem, ResourceFate } from "./resource-fate.ts";

export interface Condition {
	readonly type: "Accepted" | "Applied";
	readonly status: "True" | "False" | "Unknown";
	readonly reason: string;
	readonly message: string;
	/** RFC 3339. */
	readonly lastTransitionTime: string;
}

export interface ResourceStatus {
	readonly observedGeneration: number;
	readonly conditions: readonly Condition[];
	/** `3 of 4` */
	readonly applied?: string;
	readonly proxies?: {
		readonly concerned: number;
		readonly applied: number;
		readonly rejected: number;
		readonly withheld: number;
	};
	/** Both empty when all is well. */
	readonly reason: string;
	readonly message: string;
	readonly problems: readonly string[];
}

type Verdict = Omit<Condition, "lastTransitionTime">;

const maxProblems = 10;
const maxTextLength = 1024;

/** `before`: earlier ones; conditions that have not changed keep the time of the first that says the same. `now`: RFC 3339. */
export function resourceStatusOf(fate: ResourceFate, before: readonly ResourceStatus[], now: string): ResourceStatus {
	const accepted = acceptedOf(fate);
	const applied = appliedOf(fate);
	const verdicts = applied === undefined ? [accepted] : [accepted, applied];
	const { reason, message } = whyNot(fate, accepted, applied);
	const { proxies } = fate;
	return {
		observedGeneration: fate.generation,
		conditions: verdicts.map((verdict) => ({
			...verdict,
			lastTransitionTime: sinceOf(verdict, before) ?? now,
		})),
		...(proxies && {
			applied: `${proxies.applied} of ${proxies.concerned}`,
			proxies: {
				concerned: proxies.concerned,
				applied: proxies.applied,
				rejected: proxies.rejected.length,
				withheld: proxies.withheld,
			},
		}),
		reason,
		message,
		problems: fate.problems.slice(0, maxProblems).map((problem) => cut(`${problem.severity}: ${textOf(problem)}`)),
	};
}

function sinceOf({ type, status }: Verdict, before: readonly ResourceStatus[]): string | undefined {
	return before
		.flatMap(({ conditions }) => conditions)
		.find((condition) => condition.type === type && condition.status === status)?.lastTransitionTime;
}

function acceptedOf({ accepted, problems, proxies }: ResourceFate): Verdict {
	if (accepted) return { type: "Accepted", status: "True", reason: "Accepted", message: "" };
	const errors = problems.filter(({ severity, code }) => severity === "error" && code === undefined);
	const [first] = errors;
	const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : "";
	const message = first ? cut(`${textOf(first)}${more}`) : "it could not be read";
	// What proxies refused was taken back.
	const reason = proxies?.rejected.length ? "Rejected" : "Invalid";
	return { type: "Accepted", status: "False", reason, message };
}

function appliedOf({ noEffect, proxies }: ResourceFate): Verdict | undefined {
	if (noEffect !== undefined) return { type: "Applied", status: "False", reason: "NotYet", message: noEffect };
	if (proxies === undefined) return undefined;
	const { applied, concerned, rejected, withheld } = proxies;
	const verdict = (status: Verdict["status"], reason: string, message: string): Verdict => ({
		type: "Applied",
		status,
		reason,
		message: cut(message),
	});
	const [first] = rejected;
	if (first) {
		const [refuse, many] = rejected.length === 1 ? ["refuses", "1 proxy"] : ["refuse", `${rejected.length} proxies`];
		return verdict("False", "Rejected", `${many} ${refuse} it: ${first.proxy} (${first.type}): ${first.message}`);
	}
	if (concerned === 0) return verdict("Unknown", "NoProxies", "no connected proxy uses it");
	if (applied >= concerned) return verdict("True", "Applied", "");
	if (withheld > 0) return verdict("False", "Withheld", `held back from ${withheld} of ${concerned} proxies`);
	return verdict("False", "Pending", `${applied} of ${concerned} proxies have it`);
}

/** In one word and in one sentence, the gravest first. */
function whyNot(
	{ problems }: ResourceFate,
	accepted: Verdict,
	applied: Verdict | undefined,
): { readonly reason: string; readonly message: string } {
	if (accepted.status === "False") return accepted;
	if (applied?.status === "False") return applied;
	const coded = problems.find(({ severity, code }) => severity === "error" && code !== undefined);
	if (coded) return { reason: coded.code ?? "", message: cut(textOf(coded)) };
	return { reason: "", message: "" };
}

function textOf({ path, message, hint, code }: FateProblem): string {
	const place = path === "" ? "" : `${path}: `;
	return `${place}${message}${hint === "" ? "" : `; ${hint}`}${code === undefined ? "" : ` [${code}]`}`;
}

function cut(text: string): string {
	return text.length > maxTextLength ? `${text.slice(0, maxTextLength - 3)}...` : text;
}

/** What it says, as a text: the same for two that say the same, whenever they were written. */
export function wordsOf(status: ResourceStatus): string {
	const { applied, conditions, message, observedGeneration, problems, proxies, reason } = status;
	const verdicts = conditions.map(({ type, status: is, reason: why, message: text }) => [type, is, why, text]).sort();
	const counts = [proxies?.concerned, proxies?.applied, proxies?.rejected, proxies?.withheld];
	return JSON.stringify([observedGeneration, verdicts, applied, counts, reason, message, problems]);
}

/** How far it is in force, as long as nobody says no. */
const flowing: ReadonlySet<string | undefined> = new Set(["Applied", "Pending", "NoProxies"]);

/**
 * Is the difference nothing but proxies that come and go? Not so where somebody may be waiting: for another version, another verdict,
 * or for the rest of the proxies to have it.
 */
export function differsInCounts(written: ResourceStatus, wanted: ResourceStatus): boolean {
	const reasonOf = (status: ResourceStatus, type: Condition["type"]): string | undefined =>
		status.conditions.find((condition) => condition.type === type)?.reason;
	if (written.observedGeneration !== wanted.observedGeneration) return false;
	if (reasonOf(written, "Accepted") !== reasonOf(wanted, "Accepted")) return false;
	const [before, after] = [reasonOf(written, "Applied"), reasonOf(wanted, "Applied")];
	if (before === after) return before !== undefined;
	return before !== "Pending" && flowing.has(before) && flowing.has(after);
}

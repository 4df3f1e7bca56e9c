// Weights that can never move the addresses, and checks that take them from everybody at once.

import type { TrackerConfig } from "../../vip-config.ts";
import { weightOf } from "../build-config.ts";
import type { Report } from "../conf-report.ts";
import { type Member, trap, type VirtualRouter } from "./node-file.ts";

export function warnOfWeights({ members }: VirtualRouter, report: Report): void {
	for (const member of members) {
		const others = members.filter((other) => other !== member);
		const { instance, file } = member;
		const weighted = instance.tracked
			.map((tracked) => ({ tracker: tracked.tracker, weight: weightOf(tracked, file.config.trackers) }))
			.filter(({ weight }) => weight !== 0);
		for (const { tracker, weight } of weighted) {
			if (instance.priority === 255) continue;
			if (others.length === 0) warnOfSmallWeight(member, tracker, weight, report);
			else warnOfGap(member, others, tracker, weight, report);
		}
		if (weighted.length > 0 && !instance.preempt)
			trap(
				report,
				member,
				"nopreempt",
				`nopreempt: this node never takes the addresses from a healthy owner, so that a lower priority there (${weighted.map(({ tracker }) => tracker).join(", ")}) moves nothing`,
				"take nopreempt out, or track with weight 0, which releases the addresses",
			);
	}
	warnOfNobody(members, report);
}

/** How far one failure moves the priority. */
function warnOfSmallWeight(member: Member, tracker: string, weight: number, report: Report): void {
	if (Math.abs(weight) >= 50) return;
	const { priority } = member.instance;
	const [up, down] =
		weight > 0 ? [Math.min(254, priority + weight), priority] : [priority, Math.max(1, priority + weight)];
	trap(
		report,
		member,
		directiveOf(member, tracker),
		`${tracker} with weight ${weight} moves the priority between ${up} and ${down}: the addresses move only to a node whose priority lies between the two`,
		`give the other nodes ${[...new Set([down + 1, up - 1])].join(" to ")}, or make the weight larger; keepmesh vip check THIS OTHER compares them`,
	);
}

function warnOfGap(member: Member, others: readonly Member[], tracker: string, weight: number, report: Report): void {
	const { instance } = member;
	// What the others have with the same check good, and what is left here with it bad.
	const good = (one: Member): number => clamp(one.instance.priority + positiveWeights(one));
	const own = good(member);
	const best = Math.max(...others.map(good));
	if (own < best) return;
	const failed = clamp(instance.priority + positiveWeights(member) - Math.abs(weight));
	if (failed < best) return;
	const next = others.find((other) => good(other) === best);
	trap(
		report,
		member,
		directiveOf(member, tracker),
		`${tracker} with weight ${weight} can never move the addresses: failed, this node still has ${failed}, and ${next?.file.path ?? "the next"} has ${best}`,
		`make the weight ${weight > 0 ? "" : "-"}${own - best + 1} at least, or 0, which releases the addresses at once`,
	);
}

/** Where the thing is tracked. */
function directiveOf({ file }: Member, name: string): string {
	const type = file.config.trackers.find((tracker) => tracker.name === name)?.check.type ?? "script";
	return `track_${type}`;
}

/** Positive weights count while all is good. */
function positiveWeights({ instance, file }: Member): number {
	return instance.tracked.reduce((sum, tracked) => sum + Math.max(0, weightOf(tracked, file.config.trackers)), 0);
}

function clamp(priority: number): number {
	return Math.min(254, Math.max(1, priority));
}

/** Weight 0 everywhere: when the checked thing is gone on all nodes, nobody holds the addresses. */
function warnOfNobody(members: readonly Member[], report: Report): void {
	const [first, ...rest] = members;
	if (!first || rest.length === 0) return;
	const faulting = (member: Member): readonly TrackerConfig[] =>
		member.instance.tracked
			.filter((tracked) => weightOf(tracked, member.file.config.trackers) === 0)
			.flatMap((tracked) =>
				member.file.config.trackers.filter(({ name, check }) => name === tracked.tracker && check.type !== "interface"),
			);
	const shared = faulting(first).find(({ name }) =>
		rest.every((member) => faulting(member).some((tracker) => tracker.name === name)),
	);
	if (shared)
		trap(
			report,
			first,
			directiveOf(first, shared.name),
			`${shared.name} has weight 0 on every node: when it fails on all of them, nobody holds the addresses`,
			"check what is the node's own, not what all share; a VirtualIP with whenAllFail: hold keeps them on the last owner",
		);
}

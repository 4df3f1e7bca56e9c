// HotSwitch: bounds of its times and how they fit together, and what its steps give away.

import { defaultHotSwitchPolicy } from "../../hotswitch/hot-switch-policy.ts";
import type { ConfigObject } from "../config-object.ts";
import type { Findings, Path } from "../findings.ts";
import type { HotSwitchSpec } from "../kinds/hot-switch.ts";
import { parseDurationMs } from "../text/duration.ts";
import { checkWorkloadSelector } from "./policy-target-rules.ts";

export function checkHotSwitch({ spec }: ConfigObject<"HotSwitch">, findings: Findings): void {
	checkWorkloadSelector(spec.selector, findings);
	checkSteps(spec, findings);
	for (const [path, text, least, most] of boundsOf(spec)) checkBounds(path, text, least, most, findings);
	checkOrder(spec, findings);
}

type Bounds = readonly [path: Path, text: string | undefined, least: string, most: string];

function boundsOf(spec: HotSwitchSpec): readonly Bounds[] {
	return [
		[["spec", "heartbeat"], spec.heartbeat, "5ms", "10s"],
		[["spec", "lease"], spec.lease, "10ms", "1m"],
		[["spec", "hang"], spec.hang, "10ms", "10m"],
		[["spec", "prove"], spec.prove, "0s", "10m"],
		[["spec", "flap", "window"], spec.flap?.window, "1s", "24h"],
		[["spec", "flap", "maxProve"], spec.flap?.maxProve, "1ms", "1h"],
		[["spec", "directLimit"], spec.directLimit, "1s", "168h"],
	];
}

function checkBounds(path: Path, text: string | undefined, least: string, most: string, findings: Findings): void {
	const ms = text === undefined ? undefined : parseDurationMs(text);
	if (ms === undefined) return;
	if (ms < (parseDurationMs(least) ?? 0) || ms > (parseDurationMs(most) ?? 0))
		findings.error(path, `must be from ${least} to ${most}, found ${text}`, "leave it out for the default");
}

/**
 * heartbeat * 2 <= lease <= hang. A field that is left out may come from a wider HotSwitch: against the default there is
 * but a warning, because the longer time is then raised as far as needed.
 */
function checkOrder(spec: HotSwitchSpec, findings: Findings): void {
	const of = (name: "heartbeat" | "lease" | "hang"): number =>
		parseDurationMs(spec[name] ?? "") ?? defaultHotSwitchPolicy[`${name}Ms`];
	const compare = (shorter: "heartbeat" | "lease", times: number, longer: "lease" | "hang"): void => {
		const least = of(shorter) * times;
		if (of(longer) >= least || (spec[shorter] === undefined && spec[longer] === undefined)) return;
		const what = times === 1 ? `the ${shorter}` : `twice the ${shorter}`;
		if (spec[shorter] !== undefined && spec[longer] !== undefined)
			findings.error(
				["spec", longer],
				`must be at least ${what}, ${least}ms, found ${spec[longer]}`,
				`write ${longer}: ${least}ms, or leave it out`,
			);
		else
			findings.warning(
				["spec", spec[longer] === undefined ? shorter : longer],
				`unless a wider HotSwitch says otherwise, ${what} is ${least}ms: the ${longer} will be as long`,
				`write both ${shorter} and ${longer}`,
			);
	};
	compare("heartbeat", 2, "lease");
	compare("lease", 1, "hang");
	if (spec.prove === undefined || spec.flap?.maxProve === undefined) return;
	if ((parseDurationMs(spec.flap.maxProve) ?? 0) < (parseDurationMs(spec.prove) ?? 0))
		findings.error(
			["spec", "flap", "maxProve"],
			`must be at least prove, ${spec.prove}, found ${spec.flap.maxProve}`,
			"proving is doubled from prove up to maxProve",
		);
}

function checkSteps({ steps, failOpen }: HotSwitchSpec, findings: Findings): void {
	for (const [index, step] of (steps ?? []).entries())
		if (steps?.indexOf(step) !== index)
			findings.error(["spec", "steps", index], `${step} is there already`, "name each step once");
	if (failOpen === "always")
		findings.warning(
			["spec", "failOpen"],
			"also under STRICT: while the proxies are gone, connections go in plaintext, without identity and policies",
			"write permissive: STRICT workloads then refuse connections instead",
		);
	if (steps !== undefined && !steps.includes("direct") && failOpen !== undefined && failOpen !== "never")
		findings.warning(
			["spec", "failOpen"],
			`failOpen: ${failOpen} has no effect: direct is none of the steps`,
			"add direct to the steps, or take failOpen out",
		);
}

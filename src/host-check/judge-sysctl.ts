// Compares one value below /proc/sys with what is expected of it. Pure.

import type { HostFacts } from "./host-facts.ts";
import type { Expectation, Finding, SysctlSetting } from "./setting.ts";

/** Undefined: the setting does not matter here. */
export function judgeSysctl(setting: SysctlSetting, facts: HostFacts): Finding | undefined {
	const expectation = setting.expect(facts);
	if (!expectation) return undefined;
	const { label, roles, fault, detail } = setting;
	const about = { id: dotted(setting.key), label, roles, fault, detail };
	const value = facts.sysctls.get(setting.key);
	const shouldBe = renderExpectation(expectation);
	if (value === undefined) {
		if (setting.optional) return undefined;
		return {
			...about,
			level: "unknown",
			is: "not there",
			shouldBe,
			fault: "this kernel or namespace has no such setting",
		};
	}
	if (isMet(expectation, value)) return { ...about, level: "ok", is: value, shouldBe };
	const { loosens, means, alsoChanges } = setting;
	return {
		...about,
		level: setting.level,
		is: value,
		shouldBe,
		fix: {
			key: setting.key,
			value: bestValue(expectation, value),
			...(loosens === undefined ? {} : { loosens }),
			...(means === undefined ? {} : { means }),
			...(alsoChanges === undefined ? {} : { alsoChanges }),
		},
	};
}

/** As sysctl(8) writes it. Dots of an interface's name (`eth0.5`) become slashes. */
export function dotted(key: string): string {
	return key.replace(/[./]/g, (mark) => (mark === "/" ? "." : "/"));
}

export function isMet(expectation: Expectation, value: string): boolean {
	const first = Number.parseFloat(value);
	switch (expectation.type) {
		case "exactly":
			return first === expectation.value;
		case "oneOf":
			return expectation.values.includes(first);
		case "atLeast":
			return first >= expectation.value;
		case "between":
			return first >= expectation.least && first <= expectation.most;
		case "rangeFrom":
			return first >= expectation.first;
		default:
			return expectation satisfies never;
	}
}

function renderExpectation(expectation: Expectation): string {
	switch (expectation.type) {
		case "exactly":
			return String(expectation.value);
		case "oneOf":
			return expectation.values.join(" or ");
		case "atLeast":
			return `>= ${expectation.value}`;
		case "between":
			return Number.isFinite(expectation.most) ? `${expectation.least}-${expectation.most}` : `>= ${expectation.least}`;
		case "rangeFrom":
			return `from ${expectation.first}`;
		default:
			return expectation satisfies never;
	}
}

function bestValue(expectation: Expectation, value: string): string {
	switch (expectation.type) {
		case "exactly":
		case "atLeast":
			return String(expectation.value);
		case "oneOf":
		case "between":
			return String(expectation.best);
		case "rangeFrom":
			return `${expectation.first} ${value.split(/\s+/)[1] ?? "60999"}`;
		default:
			return expectation satisfies never;
	}
}

// All settings that the given roles need, judged. In: facts, roles. Out: findings, worst first.

import type { HostFacts } from "./host-facts.ts";
import { judgeSysctl } from "./judge-sysctl.ts";
import { type Finding, type Level, levels, type Role, type Setting } from "./setting.ts";
import { allSettings } from "./settings/all-settings.ts";

export function checkHost(
	facts: HostFacts,
	roles: ReadonlySet<Role>,
	settings: readonly Setting[] = allSettings,
): readonly Finding[] {
	const findings: Finding[] = [];
	for (const setting of settings) {
		if (!setting.roles.some((role) => roles.has(role))) continue;
		const finding = "key" in setting ? judgeSysctl(setting, facts) : judgeOther(setting, facts, roles);
		if (finding) findings.push(finding);
	}
	return findings.sort((a, b) => levels.indexOf(a.level) - levels.indexOf(b.level));
}

function judgeOther(
	setting: Exclude<Setting, { readonly key: string }>,
	facts: HostFacts,
	roles: ReadonlySet<Role>,
): Finding | undefined {
	const judgement = setting.judge(facts, roles);
	if (!judgement) return undefined;
	const { id, label, fault, detail } = setting;
	return { id, label, roles: setting.roles, fault, detail, ...judgement };
}

export function countLevels(findings: readonly Finding[]): Readonly<Record<Level, number>> {
	const counts = { must: 0, should: 0, unknown: 0, note: 0, ok: 0 };
	for (const { level } of findings) counts[level]++;
	return counts;
}

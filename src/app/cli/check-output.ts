// Prints findings of `keepmesh check`: a line each, with details, or as data.

import { countLevels } from "../../host-check/check-host.ts";
import type { Finding, Level } from "../../host-check/setting.ts";
import { type Colour, paint, print, printJson, renderTable } from "./terminal.ts";

export type CheckFormat = "table" | "wide" | "json" | "yaml";

const colours: Readonly<Record<Level, Colour>> = {
	must: "red",
	should: "yellow",
	unknown: "grey",
	note: "grey",
	ok: "green",
};

export async function printFindings(findings: readonly Finding[], format: CheckFormat, all: boolean): Promise<void> {
	if (format === "json") {
		printJson(asData(findings));
		return;
	}
	if (format === "yaml") {
		const { stringify } = await import("yaml");
		print(stringify(asData(findings), { aliasDuplicateObjects: false }));
		return;
	}
	const shown = findings.filter(({ level }) => all || level === "must" || level === "should" || level === "unknown");
	if (shown.length === 0) return;
	if (format === "wide") print(shown.map(renderWide).join("\n\n"));
	else print(renderFindings(shown));
}

export function renderFindings(findings: readonly Finding[], width?: number): string {
	const rows = findings.map(({ level, label, is, shouldBe, fault }) => [
		level,
		label,
		is,
		shouldBe,
		level === "ok" ? "" : fault,
	]);
	const [titles = "", ...lines] = renderTable(["LEVEL", "SETTING", "IS", "SHOULD BE", "OTHERWISE"], rows, width).split(
		"\n",
	);
	const painted = lines.map((line, index) => {
		const level = findings[index]?.level ?? "ok";
		return paint(colours[level], line.slice(0, level.length)) + line.slice(level.length);
	});
	return [titles, ...painted].join("\n");
}

function renderWide(finding: Finding): string {
	const { id, level, is, shouldBe, fault, detail, fix, remedy, roles } = finding;
	const lines = [
		`${paint(colours[level], level)}  ${id}`,
		`  is         ${is}`,
		`  should be  ${shouldBe}`,
		...(level === "ok" ? [] : [`  otherwise  ${fault}`]),
		`  why        ${detail}`,
		`  needed by  ${roles.join(", ")}`,
	];
	if (fix?.loosens !== undefined)
		lines.push(`  to change  keepmesh check --fix --loosen ${id}; but then ${fix.loosens}`);
	else if (fix) lines.push(`  to change  keepmesh check --fix sets ${fix.value}`);
	if (remedy !== undefined) lines.push(`  to change  ${remedy}`);
	return lines.join("\n");
}

function asData(findings: readonly Finding[]): unknown {
	const counts = countLevels(findings);
	return { ok: counts.must === 0, counts, findings };
}

export function summaryOf(findings: readonly Finding[]): string {
	const { must, should, unknown, note, ok } = countLevels(findings);
	const parts = [`${must} must change`, `${should} should`, `${ok} as they should be`];
	if (unknown > 0) parts.push(`${unknown} not known`);
	if (note > 0) parts.push(`${note} for some machines only (-a shows them)`);
	return parts.join(", ");
}

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { hotSwitchMetrics } from "../node/hot-switch-metrics.ts";
import { servingMetrics } from "../node/serving/serving-metrics.ts";
import { alertGroups, renderAlertRules } from "./alert-rules.ts";

const source = join(import.meta.dirname, "..");
const rules = alertGroups.flatMap((group) => group.rules);
const promtool = process.env.KEEPMESH_PROMTOOL ?? "promtool";
const cannotCheck = spawnSync(promtool, ["--version"]).error ? "there is no promtool here" : undefined;

function withFiles(files: Readonly<Record<string, string>>, run: (directory: string) => void): void {
	const directory = mkdtempSync(join(tmpdir(), "keepmesh-rules-"));
	try {
		for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
		run(directory);
	} finally {
		rmSync(directory, { recursive: true });
	}
}

describe("the alerting rules", () => {
	it("are a rule file of Prometheus, as it reads YAML", () => {
		const read = parse(renderAlertRules(alertGroups)) as {
			readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[];
		};
		const alerts = read.groups.flatMap((group) => group.rules);
		assert.deepEqual(
			alerts.map(({ alert, expr }) => [alert, expr]),
			rules.map(({ name, expr }) => [name, expr]),
		);
		assert.equal(new Set(alerts.map(({ alert }) => alert)).size, alerts.length);
	});

	it("ask for metrics that the program gives", () => {
		const files = globSync("**/*.ts", { cwd: source }).filter((file) => !file.includes("alert-rules"));
		const texts = files
			.filter((file) => !file.includes("/gen/"))
			.map((file) => readFileSync(join(source, file), "utf8"));
		const isGiven = (name: string): boolean => {
			// Those of the authority are put together from a prefix and a name.
			const ofAuthority = /^keepmesh_ca_(.*)$/.exec(name)?.[1];
			return texts.some((text) => text.includes(name) || (ofAuthority && text.includes(`gauge("${ofAuthority}"`)));
		};
		const asked = rules.flatMap(({ expr }) => expr.match(/keepmesh_[a-z0-9_]+/g) ?? []);
		assert.ok(asked.length >= rules.length);
		assert.deepEqual(
			asked.filter((name) => !isGiven(name)),
			[],
		);
	});

	it("name pods and control planes by the labels that the node gives", () => {
		const state = { servingStep: "direct" } as const;
		const switches = [{ from: "sidecar", to: "direct", because: "exited", count: 1 }];
		const text =
			hotSwitchMetrics([{ pod: "default/web-1", state, switches, vouched: 0 }]) +
			servingMetrics([{ control: "10.0.0.1:15012", sent: 1, failed: 0, confirmedMsAgo: 1500 }]);
		assert.match(text, /keepmesh_hotswitch_step\{[^}]*pod="default\/web-1"[^}]*step="direct"[^}]*\} 1/);
		assert.match(text, /keepmesh_hotswitch_switches_total\{[^}]*pod="default\/web-1"[^}]*from="sidecar"/);
		assert.match(text, /keepmesh_serving_report_age_seconds\{control="10.0.0.1:15012"\} 1.500/);
	});

	it("pass promtool", { skip: cannotCheck }, () => {
		withFiles({ "rules.yaml": renderAlertRules(alertGroups) }, (directory) => {
			const { status, stderr, stdout } = spawnSync(promtool, ["check", "rules", join(directory, "rules.yaml")]);
			assert.equal(status, 0, `${stdout}${stderr}`);
		});
	});

	it("fire when they should, after their time", { skip: cannotCheck }, () => {
		const series = (step: string, values: string) => ({
			series: `keepmesh_hotswitch_step{pod="default/web-1",step="${step}",instance="n1"}`,
			values,
		});
		const fires = (at: string, name: string, yes: boolean) => {
			const rule = rules.find((one) => one.name === name);
			const { next = "", severity = "", summary = "" } = rule ?? {};
			const annotations = { next, summary: summary.replace("{{ $labels.pod }}", "default/web-1") };
			const labels = { pod: "default/web-1", severity };
			return {
				eval_time: at,
				alertname: name,
				exp_alerts: yes ? [{ exp_labels: labels, exp_annotations: annotations }] : [],
			};
		};
		const test = {
			rule_files: ["rules.yaml"],
			evaluation_interval: "5s",
			tests: [
				{
					interval: "5s",
					input_series: [series("direct", "0 0 1x20 0x10"), series("closed", "0x12 1x30")],
					alert_rule_test: [
						fires("15s", "KeepmeshPodDirect", false),
						fires("40s", "KeepmeshPodDirect", true),
						fires("1m10s", "KeepmeshPodClosed", false),
						fires("2m", "KeepmeshPodClosed", true),
					],
				},
			],
		};
		withFiles({ "rules.yaml": renderAlertRules(alertGroups), "test.yaml": JSON.stringify(test) }, (directory) => {
			const { status, stderr, stdout } = spawnSync(promtool, ["test", "rules", "test.yaml"], { cwd: directory });
			assert.equal(status, 0, `${stdout}${stderr}`);
		});
	});
});

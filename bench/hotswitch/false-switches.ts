// Switches that nobody needed: a lab with a hot-switch for every pod, mutual TLS between them, all cores busy with ordinary
// processes. In: for how many minutes, and how many such processes. Out: how often a pod's connections went another way, and what the callers noticed.

import { type ChildProcess, spawn } from "node:child_process";
import { cpus, loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { startDrillLab } from "../../src/app/drill/drill-lab.ts";
import { podOf } from "../../src/app/drill/drill-pods.ts";
import { startLoggedSender } from "../../src/app/drill/drill-senders.ts";
import { switchesOf } from "../../src/app/drill/lab-switches.ts";
import { sideReport } from "../../src/lab/drill/sent-requests.ts";
import { type BenchRow, spreadOf } from "../support/bench-report.ts";

const sliceMs = 20_000;
const ratePerSecond = 100;

/** `burnersForEachCore`: processes that do nothing else than be busy. None where the machine has enough to do already. */
export async function falseSwitchRows(minutes: number, burnersForEachCore: number): Promise<readonly BenchRow[]> {
	// Where plaintext is permitted a switch needs no spare, and costs every caller that speaks mutual TLS.
	const lab = await startDrillLab({
		name: `soak${process.pid % 100_000}`,
		edit: (yaml) => yaml.replace("mode: STRICT", "mode: PERMISSIVE"),
	});
	const burners: ChildProcess[] = [];
	try {
		const { name: client } = await podOf(lab, "client");
		const { stdout } = await lab.execIn(client, ["getent", "ahostsv4", "server.default.svc.cluster.local"]);
		const load = {
			host: stdout.split(/\s/)[0] ?? "",
			headers: { host: "server.default.svc.cluster.local:8080" },
			ratePerSecond,
		};
		const before = await switchesOf(lab);
		if (before.size === 0) throw new Error("no pod has a hot-switch that counts");
		// They end by themselves when nobody is left to end them.
		const limitSeconds = Math.ceil(minutes * 60) + 60;
		for (let index = 0; index < cpus().length * burnersForEachCore; index++)
			burners.push(spawn("timeout", [`${limitSeconds}`, "sh", "-c", "while :; do :; done"], { stdio: "ignore" }));
		const gaps: number[] = [];
		const loads: number[] = [];
		let [sent, lost] = [0, 0];
		for (let leftMs = minutes * 60_000; leftMs > 0; leftMs -= sliceMs) {
			const sender = await startLoggedSender(lab, client, load);
			await sleep(Math.min(sliceMs, leftMs));
			const report = sideReport(await sender.stop());
			gaps.push(report.gapMs);
			loads.push(loadavg()[0] ?? 0);
			sent += report.sent;
			lost += report.lost;
			if (report.lost > 0) console.error(`lost: ${JSON.stringify(report.byOutcome)}`);
		}
		const switched = [...(await switchesOf(lab))].flatMap(([what, count]) => {
			const times = count - (before.get(what) ?? 0);
			return times > 0 ? [{ what, times }] : [];
		});
		for (const { what, times } of switched) console.error(`${times} x ${what}`);
		const switches = switched.reduce((sum, { times }) => sum + times, 0);
		const what = `all cores busy for ${minutes} min, ${burnersForEachCore} burners a core`;
		return [
			{ what: `${what}: false switches of 5 pods`, unit: "switches", spread: spreadOf([switches]), target: "0" },
			{ what: `${what}: lost of ${sent} requests`, unit: "requests", spread: spreadOf([lost]), target: "0" },
			{ what: `${what}: longest gap of 20 s`, unit: "ms", spread: spreadOf(gaps) },
			{ what: `${what}: load average`, unit: "", spread: spreadOf(loads) },
		];
	} finally {
		for (const burner of burners) burner.kill("SIGTERM");
		await lab.down();
	}
}

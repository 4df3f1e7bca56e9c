// Parts of a running lab are killed under steady load: requests go on through what is left, and what died comes back.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "../../src/app/demo/applied-everywhere.ts";
import { askControl } from "../../src/app/demo/control-query.ts";
import { labTourMesh } from "../../src/app/demo/lab-tour-mesh.ts";
import { labDown } from "../../src/lab/lab-down.ts";
import { FieldLab, fieldLabCannotRun } from "./field-lab.ts";

const name = `kmts${process.pid % 1_000_000}`;

describe("a mesh under load", { skip: fieldLabCannotRun }, () => {
	let field: FieldLab;
	before(async () => {
		field = await FieldLab.up(name);
		await field.apply("bookinfo-gateway.yaml");
		await field.apply("destination-rule-all.yaml");
	});
	after(async () => {
		await labDown(name);
	});

	/** 200 pages a second for 4 s; `disturb` begins half a second in. */
	async function lostWhile(disturb: () => Promise<void>): Promise<Readonly<Record<string, number>>> {
		const sending = labTourMesh(field.lab).send({
			path: "/productpage",
			requests: 800,
			concurrency: 1,
			ratePerSecond: 200,
		});
		await sleep(500);
		await disturb();
		const { byOutcome, sent } = await sending;
		assert.equal(sent, 800);
		const { 200: _, ...lost } = byOutcome;
		return lost;
	}

	async function restartsOf(process: string): Promise<number> {
		const { processes } = await field.lab.status();
		return processes.find((one) => one.name === process)?.restarts ?? 0;
	}

	for (const process of ["node-1", "control-1", "control-2"])
		it(`loses nothing while ${process} is killed and comes back`, async () => {
			const lost = await lostWhile(async () => {
				assert.equal(await field.lab.signalProcess(process, "SIGKILL"), true);
				await until(`${process} was started again`, async () => (await restartsOf(process)) === 1);
			});
			assert.deepEqual(lost, {});
		});

	it("loses nothing while every control plane and node agent is killed at once, and takes new rules afterwards", async () => {
		const { processes, controls } = await field.lab.status();
		const before = new Map(processes.map((one) => [one.name, one.restarts]));
		const lost = await lostWhile(async () => {
			await Promise.all(processes.map((one) => field.lab.signalProcess(one.name, "SIGKILL")));
			for (const one of processes)
				await until(
					`${one.name} was started again`,
					async () => (await restartsOf(one.name)) > (before.get(one.name) ?? 0),
				);
		});
		assert.deepEqual(lost, {});
		const pods = (await field.lab.pods()).length;
		await until("every proxy is connected again", async () => {
			const counts = await Promise.all(
				controls.map((control) =>
					askControl<{ proxies: { connected: number } }>(field.lab, control, "GET", "/api/v1/status").then(
						({ proxies }) => proxies.connected,
						() => 0,
					),
				),
			);
			return counts.reduce((sum, count) => sum + count, 0) === pods;
		});
		await field.whileApplied("virtual-service-reviews-v3.yaml", async () => {
			const { byVersion } = await field.load(100);
			assert.deepEqual(byVersion, { v3: 100 });
		});
	});
});

// Every endpoint of a Service is replaced, one after the other, while connections come on a fixed schedule and others are held. An
// endpoint that is told to go takes no new connections from a moment later on, as a pod that ends does.

import { setTimeout as sleep } from "node:timers/promises";
import { layer4Key } from "../../src/l4/layer4-service.ts";
import type { Rig } from "../../src/node/namespace-rig.testing.ts";
import { openBalancer, written } from "../../test/l4/open-balancer.ts";
import { type BenchRow, spreadOf } from "../support/bench-report.ts";
import type { ConnectionsReport } from "./connections-process.ts";
import { benchNode, createLane } from "./lane.ts";
import { LineProcess } from "./line-process.ts";
import { endpointAddress, endpointPort, oneService, serviceAddress, servicePort } from "./many-services.ts";

const runs = 3;
const endpoints = 10;
const rate = 400;
const held = 50;
/** Between the news that an endpoint goes and its last new connection. */
const graceMs = 100;

export async function rollingRows(rig: Rig): Promise<readonly BenchRow[]> {
	const reports: ConnectionsReport[] = [];
	for (let run = 0; run < runs; run++) reports.push(await replaceAll(rig, run));
	const row = (what: string, unit: string, of: (report: ConnectionsReport) => number, target?: string): BenchRow => ({
		what: `${endpoints} endpoints replaced one by one: ${what}`,
		unit,
		spread: spreadOf(reports.map(of)),
		...(target === undefined ? {} : { target }),
	});
	return [
		row("new connections", "connections", (report) => report.opened),
		row(
			"lost of them",
			"connections",
			(report) => Object.values(report.lost).reduce((sum, count) => sum + count, 0),
			"0",
		),
		row(`broken of ${held} held`, "connections", (report) => report.held - report.alive, "0"),
	];
}

async function replaceAll(rig: Rig, run: number): Promise<ConnectionsReport> {
	const lane = createLane(rig, `rolling-${run}`);
	const balancer = openBalancer(lane.node, benchNode);
	const servers = new LineProcess(lane.servers, "echo-process.ts");
	const listen = (number: number) => servers.tell(`listen ${endpointAddress(number)} ${endpointPort}`);
	const tell = async (numbers: readonly number[]): Promise<void> => {
		const service = oneService(0, numbers.map(endpointAddress));
		balancer.update(new Map([[layer4Key(service), service]]));
		await written(balancer);
	};
	let clients: LineProcess | undefined;
	try {
		let current = Array.from({ length: endpoints }, (_, index) => index + 1);
		for (const number of current) await listen(number);
		await tell(current);
		const to = [serviceAddress(0), servicePort, held, rate].map(String);
		clients = new LineProcess(lane.client, "connections-process.ts", to);
		await clients.next();
		await sleep(300);
		await clients.tell("mark");
		for (const [index, old] of [...current].entries()) {
			const next = endpoints + 1 + index;
			await listen(next);
			current = [...current.filter((number) => number !== old), next];
			await tell(current);
			await sleep(graceMs);
			await servers.tell(`leave ${endpointAddress(old)} ${endpointPort}`);
		}
		await sleep(300);
		return JSON.parse(await clients.tell("end")) as ConnectionsReport;
	} finally {
		clients?.close();
		servers.close();
		balancer.close({ keepRules: true });
		lane.close();
	}
}

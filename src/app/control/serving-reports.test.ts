import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { PodReport, ServingReport } from "../../hotswitch/serving-report.ts";
import { decodeServingAnswer, encodeServingReport } from "../../hotswitch/serving-report-codec.ts";
import type { ServingStep } from "../../hotswitch/serving-step.ts";
import type { SwitchRecord } from "../../hotswitch/switch-record.ts";
import { silentLog } from "../../runtime/log.ts";
import { createMetrics } from "../../runtime/metrics.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import type { UnproxiedWorkload } from "../../snapshot/serving-steps.ts";
import { type ReportRules, ServingReports } from "./serving-reports.ts";
import { type ServingStore, servingFile } from "./serving-store.ts";

const rules: ReportRules = {
	trustDomain: "mesh",
	isRegistered: (node) => node !== "gone",
	mayCertify: (_, { namespace }) => namespace === "shop",
	isGranted: (_, { serviceAccount }) => serviceAccount === "granted",
};

const pod = (name: string, step: ServingStep | undefined, rest: Partial<PodReport> = {}): PodReport => ({
	proxyId: `sidecar~10.1.0.5~${name}.shop`,
	namespace: "shop",
	name,
	serviceAccount: "web",
	ready: step === "sidecar",
	...(step && { serving: { step, sinceMs: 1, cause: "exited", because: "it ended" } }),
	...rest,
});

const event = (id: string, node = "n1", atMs = 1): SwitchRecord => ({
	id,
	atMs,
	node,
	namespace: "shop",
	pod: "web-1",
	from: "sidecar",
	to: "direct",
	cause: "exited",
	because: "it ended",
	by: "keepmesh",
});

function board(store?: ServingStore) {
	const clock = new VirtualClock();
	const metrics = createMetrics();
	const told: (readonly string[])[] = [];
	const reports = new ServingReports({
		instance: "control-1/1",
		...(store && { store }),
		onUnproxied: (all) => told.push(all.map(textOf)),
		clock,
		log: silentLog,
		metrics,
	});
	let sequence = 0;
	const report = (
		pods: readonly PodReport[],
		rest: Partial<ServingReport> = {},
		by: Partial<ReportRules> & { readonly uri?: string } = {},
	) => {
		const { uri = `spiffe://mesh/keepmesh/node/${rest.node ?? "n1"}`, ...ownRules } = by;
		const message = encodeServingReport({ node: "n1", agentMs: 5, sequence: ++sequence, pods, events: [], ...rest });
		return reports
			.service({ ...rules, ...ownRules })
			.handle({ message, peer: { address: "10.0.0.1", ...(uri === "" ? {} : { uri }) }, headers: {} });
	};
	return { clock, metrics, reports, report, told };
}

const textOf = ({ isGranted, name, node, step }: UnproxiedWorkload): string =>
	`${name} on ${node} ${step}${isGranted ? " granted" : ""}`;

describe("reports of nodes on a control plane", () => {
	it("tell at once which workloads no proxy serves, and which are served again", () => {
		const { report, told } = board();
		report([pod("web-1", "direct"), pod("web-2", "sidecar"), pod("web-3", "closed"), pod("web-4", "spare")]);
		assert.deepEqual(told, [["web-1 on n1 direct", "web-3 on n1 closed"]]);
		report([pod("web-1", "sidecar"), pod("web-3", "closed")]);
		assert.deepEqual(told[1], ["web-3 on n1 closed"]);
		report([]);
		assert.deepEqual(told[2], []);
	});

	it("are not passed on when they say the same again", () => {
		const { report, told } = board();
		report([pod("web-1", "direct")]);
		report([pod("web-1", "direct")]);
		assert.equal(told.length, 1);
	});

	it("count for their time only: a node that falls silent has said nothing", () => {
		const { clock, report, told } = board();
		report([pod("web-1", "direct")]);
		report([pod("web-9", "closed")], { node: "n2" });
		clock.advance(10_000);
		report([pod("web-9", "closed")], { node: "n2" });
		clock.advance(5_000);
		assert.deepEqual(told.at(-1), ["web-9 on n2 closed"]);
	});

	it("are taken of the node itself only, and of one that is registered", () => {
		const { report, told } = board();
		for (const uri of [
			"",
			"spiffe://mesh/keepmesh/node/n2",
			"spiffe://other/keepmesh/node/n1",
			"spiffe://mesh/ns/a/sa/b",
		]) {
			const outcome = report([pod("web-1", "closed")], {}, { uri });
			assert.equal(outcome.ok ? 0 : outcome.grpcStatus, 7, uri);
		}
		assert.equal(report([], { node: "gone" }).ok, false);
		assert.equal(told.length, 0);
	});

	it("are believed of anyone where nothing is proved", () => {
		const { report, told } = board();
		assert.equal(report([pod("web-1", "closed")], {}, { uri: "", nothingIsProved: true }).ok, true);
		assert.deepEqual(told, [["web-1 on n1 closed granted"]]);
	});

	it("say of which pods they are not believed, and carry what the registration grants", () => {
		const { report, told } = board();
		const outcome = report([
			pod("web-1", "direct", { serviceAccount: "granted" }),
			pod("db-1", "closed", { namespace: "bank" }),
		]);
		const answer = outcome.ok ? decodeServingAnswer(outcome.message) : undefined;
		assert.deepEqual(
			answer?.refused.map(({ proxyId }) => proxyId),
			[pod("db-1", "closed").proxyId],
		);
		assert.deepEqual(told[0], ["db-1 on n1 closed", "web-1 on n1 direct granted"]);
	});

	it("are refused when they are none", () => {
		const { reports } = board();
		const peer = { address: "10.0.0.1", uri: "spiffe://mesh/keepmesh/node/n1" };
		const outcome = reports.service(rules).handle({ message: new Uint8Array([1]), peer, headers: {} });
		assert.equal(outcome.ok ? 0 : outcome.grpcStatus, 3);
	});

	it("can be asked of one proxy, also for those that have no hot-switch", () => {
		const { report, reports } = board();
		const requests = { total: 9, serverErrors: 2, atMs: 3 };
		report([pod("web-1", undefined, { requests })]);
		assert.deepEqual(reports.of(pod("web-1", undefined).proxyId)?.requests, requests);
		assert.equal(reports.of("nobody"), undefined);
	});

	it("keep the node's switches once each, by time, and none that it tells of another node", () => {
		const { report, reports } = board();
		report([], { events: [event("n1/5/2", "n1", 20), event("n1/5/1", "n1", 10)] });
		report([], { events: [event("n1/5/2", "n1", 20), event("n2/5/1", "n2", 15)] });
		assert.deepEqual(
			reports.events().map(({ id }) => id),
			["n1/5/1", "n1/5/2"],
		);
	});

	it("keep a bounded number of switches, the newest", () => {
		const { report, reports } = board();
		for (let batch = 0; batch < 5; batch++)
			report([], { events: Array.from({ length: 500 }, (_, n) => event(`n1/${batch}/${n}`, "n1", batch * 500 + n)) });
		assert.equal(reports.events().length, 2_000);
		assert.equal(reports.events()[0]?.id, "n1/1/0");
	});

	it("are counted by step and by outcome", async () => {
		const { metrics, report } = board();
		report([pod("web-1", "direct"), pod("web-2", "sidecar")]);
		report([], {}, { uri: "" });
		const text = await metrics.render();
		assert.match(text, /keepmesh_serving_pods\{step="direct"\} 1/);
		assert.match(text, /keepmesh_serving_reports_received_total\{outcome="taken"\} 1/);
		assert.match(text, /keepmesh_serving_reports_received_total\{outcome="refused"\} 1/);
	});
});

describe("a control plane that begins anew", () => {
	it("knows from the first moment what the one before had heard, until the nodes speak", () => {
		const directory = mkdtempSync(join(tmpdir(), "keepmesh-serving-"));
		try {
			const file = join(directory, "serving.json");
			const before = board(servingFile(file));
			before.report([pod("web-1", "direct"), pod("web-2", "sidecar")]);
			before.report([pod("web-9", "closed")], { node: "n2" });
			const { clock, report, reports, told } = board(servingFile(file));
			reports.open(() => false);
			assert.deepEqual(told, [["web-1 on n1 direct", "web-9 on n2 closed"]]);
			report([pod("web-1", "sidecar")]);
			assert.deepEqual(told.at(-1), ["web-9 on n2 closed"], "a node's own word counts at once");
			clock.advance(15_000);
			assert.deepEqual(told.at(-1), [], "who does not speak again is forgotten");
		} finally {
			rmSync(directory, { recursive: true });
		}
	});

	it("begins with nothing when the file is damaged or old", () => {
		const directory = mkdtempSync(join(tmpdir(), "keepmesh-serving-"));
		try {
			const store = servingFile(join(directory, "serving.json"));
			assert.deepEqual(store.load(0), []);
			const node = { node: "n1", agentMs: 1, sequence: 1, heardAtMs: 1, pods: [pod("web-1", "direct")] };
			store.save([node], 1_000);
			assert.equal(store.load(2_000).length, 1);
			assert.deepEqual(store.load(601_000), []);
		} finally {
			rmSync(directory, { recursive: true });
		}
	});
});

// What proxies get, and when, while something new is tried: a control plane whole, with clients in the place of Envoys.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { typeUrls } from "../xds/resource.ts";
import type { MeshStatus } from "./api/api-types.ts";
import { defaultPushSafetyConfig } from "./control/push-safety.ts";
import { ControlRig, type DeltaClient } from "./control.testing.ts";

const settleMs = 400;
/** Where the test has something to do before the next ones have it. */
const longSettleMs = 2_000;

const service = `apiVersion: v1
kind: Service
metadata: { name: reviews }
spec: { selector: { app: reviews }, ports: [{ name: http, port: 9080 }] }
`;
const slice = (ip: string): string => `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: reviews-1, labels: { kubernetes.io/service-name: reviews } }
addressType: IPv4
ports: [{ name: http, port: 9080 }]
endpoints: [{ addresses: [${ip}] }]
`;
const rule = (answer: string): string => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews }
spec: { hosts: [reviews], http: [{ directResponse: { status: 200, body: { string: ${answer} } } }] }
`;

describe("canary pushes", () => {
	let rig: ControlRig;
	let clients: readonly DeltaClient[] = [];

	beforeEach(async () => {
		rig = new ControlRig();
		rig.write("service.yaml", service);
		rig.write("slice.yaml", slice("10.2.0.1"));
		rig.write("rule.yaml", rule("first"));
	});
	afterEach(() => rig.close());

	/** Starts the control plane. Of two workloads in turn: the first two are the first of each. */
	async function connect(count: number, settle = settleMs): Promise<void> {
		const rollout = { ...defaultPushSafetyConfig.rollout, minProxies: 6, settleMs: settle };
		await rig.start({ safety: { ...defaultPushSafetyConfig, rollout } });
		clients = Array.from({ length: count }, (_, index) =>
			rig.connect(`sidecar~10.1.0.${index}~client-${index}.default~default.svc.cluster.local`, {
				NAMESPACE: "default",
				LABELS: { app: index % 2 === 0 ? "even" : "odd", "pod-template-hash": `${index}` },
			}),
		);
		await Promise.all(clients.map((client) => client.until(() => client.text("9080").includes("first"), "the rule")));
		await sleep(20);
	}
	/** Whose routes have the text: `0 1`. */
	const having = (text: string): string =>
		clients.flatMap((client, index) => (client.text("9080").includes(text) ? index : [])).join(" ");
	const until = async (is: () => boolean, what: string): Promise<void> => {
		const startMs = performance.now();
		while (!is()) {
			// Sooner than the files would be read again without a word of the kernel.
			if (performance.now() - startMs > 20_000) assert.fail(`never: ${what}; second: ${having("second")}`);
			await sleep(2);
		}
	};

	it("reach one proxy of each workload first, then a quarter of the rest, then all", async () => {
		await connect(10, longSettleMs);
		rig.write("rule.yaml", rule("second"));
		await until(() => having("second") === "0 1", "the first have it");
		const { body } = await rig.api<MeshStatus>("/api/v1/status");
		assert.equal(body.proxies.waiting, 8);
		await until(() => having("second") === "0 1 2 3", "a quarter of the others has it");
		await until(() => having("second").length === 19, "all have it");
	});

	it("stop at the first when these refuse, and what was good is what they have again", async () => {
		await connect(8);
		for (const client of clients)
			client.refuse = (typeUrl, name) => (typeUrl === typeUrls.route && name === "9080" ? "not this" : undefined);
		rig.write("rule.yaml", rule("second"));
		await until(() => refusalsOf(clients) > 0, "it was refused");
		for (const client of clients) client.refuse = () => undefined;
		await sleep(3 * settleMs);
		assert.deepEqual([having("second"), having("first").length], ["", 15]);
		rig.write("rule.yaml", rule("third"));
		await until(() => having("third").length === 15, "what was mended reaches all");
	});

	it("do not hold endpoints back", async () => {
		await connect(8, longSettleMs);
		rig.write("rule.yaml", rule("second"));
		await until(() => having("second") === "0 1", "the first have it");
		rig.write("slice.yaml", slice("10.2.0.2"));
		const cluster = "outbound|9080||reviews.default.svc.cluster.local";
		await until(() => clients.every((client) => client.text(cluster).includes("10.2.0.2")), "all have the endpoint");
		assert.equal(having("second"), "0 1");
		await until(() => having("second").length === 15, "all have it");
	});

	it("let what comes meanwhile follow", async () => {
		await connect(8, longSettleMs);
		rig.write("rule.yaml", rule("second"));
		await until(() => having("second") === "0 1", "the first have it");
		rig.write("rule.yaml", rule("third"));
		await until(() => having("third").length === 15, "all have the newest");
		const { body } = await rig.api<MeshStatus>("/api/v1/status");
		assert.equal(body.quarantined, 0);
	});

	it("give a proxy that comes meanwhile what the others have", async () => {
		await connect(8, longSettleMs);
		rig.write("rule.yaml", rule("second"));
		await until(() => having("second") === "0 1", "the first have it");
		const late = rig.connect("sidecar~10.1.0.99~late.default~default.svc.cluster.local", { NAMESPACE: "default" });
		await late.until(() => late.text("9080").includes("first"), "the rule that the others have");
		await late.until(() => late.text("9080").includes("second"), "the new one, with the others");
	});

	it("are none in a small mesh: all get it at once", async () => {
		await connect(4);
		rig.write("rule.yaml", rule("second"));
		await until(() => having("second") !== "", "one has it");
		const { body } = await rig.api<MeshStatus>("/api/v1/status");
		assert.equal(body.proxies.waiting, undefined);
		await until(() => having("second") === "0 1 2 3", "all have it");
	});
});

/** How often clients said no. */
function refusalsOf(clients: readonly DeltaClient[]): number {
	return clients.reduce((sum, client) => sum + client.refusals, 0);
}

// Changes, what proxies say to them and what becomes of proxies -> who has which version of a rule.

import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import type { PodReport } from "../../hotswitch/serving-report.ts";
import {
	aGateway,
	anAuthorizationPolicy,
	anObject,
	aPeerAuthentication,
	aProxy,
	applied,
	aVirtualService,
} from "../../model/model.testing.ts";
import type { AnyObject } from "../../resources/config-object.ts";
import { silentLog } from "../../runtime/log.ts";
import { createMetrics } from "../../runtime/metrics.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { controlMetrics } from "../../telemetry/control-metrics.ts";
import { typeUrls } from "../../xds/resource.ts";
import { ControlPlane } from "./control-plane.ts";
import { findResource } from "./resource-makers.ts";

const table = "http.8080";
const rule = (body: string, timeout = "1s") =>
	aVirtualService("rule", {
		hosts: ["*"],
		gateways: ["edge"],
		http: [{ timeout, directResponse: { status: 200, body: { string: `text-${body}` } } }],
	});
const other = aVirtualService("other", {
	hosts: ["other.example.com"],
	gateways: ["edge"],
	http: [{ directResponse: { status: 200, body: { string: "other" } } }],
});
const edge = aGateway("edge", {
	selector: { app: "edge" },
	servers: [{ port: { number: 8080, name: "http", protocol: "HTTP" }, hosts: ["*"] }],
});

class Mesh {
	readonly clock = new VirtualClock();
	/** Who has answered everything; default all. */
	readonly silent = new Set<string>();
	isTakenElsewhere = false;
	readonly #confirms = new Set<string>();
	readonly control = new ControlPlane(
		{},
		{
			clock: this.clock,
			log: silentLog,
			metrics: controlMetrics(createMetrics()),
			onPublished: () => {},
			answers: {
				hasAnswered: (proxyId) => !this.silent.has(proxyId) || this.#confirms.delete(proxyId),
				isTakenElsewhere: () => this.isTakenElsewhere,
			},
		},
	);
	readonly ids: readonly string[];

	constructor(proxies: number) {
		this.control.change(applied(edge, rule("v1")));
		this.control.flush();
		this.ids = Array.from({ length: proxies }, (_, index) => `router~${index}`);
		for (const id of this.ids) this.control.connect(aProxy(id, { id, type: "router", labels: { app: "edge" } }));
		this.clock.advance(60_000);
	}

	write(...objects: readonly AnyObject[]): void {
		this.control.change(applied(...objects));
		this.clock.advance(200);
	}

	/** The version of the rule that each has: `v1 v1 v2`. */
	get versions(): string {
		return this.ids.map((id) => /text-(v\d)/.exec(this.#tableOf(id).text)?.[1] ?? "-").join(" ");
	}

	/** The proxy says no to the route table that it was given last. */
	refuse(index: number, message = "no"): void {
		const proxyId = this.ids[index] ?? "";
		const versions = new Map([[table, this.#tableOf(proxyId).version]]);
		this.control.safety.refused(proxyId, { typeUrl: typeUrls.route, message, versions, kept: new Set([table]) });
		this.control.safety.answered(proxyId);
	}

	/** A silent proxy confirms what it has now, and not what it gets for that. */
	confirm(index: number): void {
		const proxyId = this.ids[index] ?? "";
		this.#confirms.add(proxyId);
		this.control.safety.answered(proxyId);
	}

	report(index: number, fields: Partial<PodReport> = {}): void {
		const proxyId = this.ids[index] ?? "";
		const pod = { proxyId, namespace: "default", name: proxyId, serviceAccount: "edge", ready: true };
		this.control.safety.reported([{ ...pod, ...fields }]);
	}

	/** Proxies that are connected to another control plane. */
	elsewhere(count: number, fields: Partial<PodReport> = {}): void {
		const pods = Array.from({ length: count }, (_, index) => {
			const name = `elsewhere-${index}`;
			return { proxyId: name, namespace: "default", name, serviceAccount: "edge", ready: true, ...fields };
		});
		this.control.safety.reported(pods);
	}

	get held(): readonly string[] {
		return [...this.control.safety.held.keys()];
	}

	#tableOf(id: string): { readonly text: string; readonly version: string } {
		const found = findResource(this.control.configFor(id), typeUrls.route, table);
		return { text: Buffer.from(found?.any ?? []).toString("latin1"), version: found?.version ?? "" };
	}
}

describe("a refused rule", () => {
	it("is taken back at once where it was sent, also in a mesh of one proxy", () => {
		const mesh = new Mesh(1);
		mesh.write(rule("v2"));
		assert.equal(mesh.versions, "v2");
		mesh.silent.add("router~0");
		mesh.write(rule("v3"));
		mesh.refuse(0);
		assert.equal(mesh.versions, "v2");
		assert.deepEqual(mesh.held, ["VirtualService/default/rule"]);
	});

	it("stays in force when another proxy has taken it: the one that refused has a trouble of its own", () => {
		const mesh = new Mesh(2);
		mesh.isTakenElsewhere = true;
		mesh.silent.add("router~0");
		mesh.write(rule("v2"));
		mesh.refuse(0);
		assert.deepEqual([mesh.versions, mesh.held], ["v2 v2", []]);
	});

	it("is told from others by what the proxy quotes of it", () => {
		const mesh = new Mesh(1);
		mesh.silent.add("router~0");
		mesh.write(rule("v2", "17.5s"), other);
		mesh.refuse(0, "timeout 17.5s is out of range");
		assert.deepEqual(mesh.held, ["VirtualService/default/rule"]);
	});

	it("is found by trying where nothing tells it from others", () => {
		const mesh = new Mesh(1);
		mesh.silent.add("router~0");
		mesh.write(rule("v2"), other);
		for (let round = 0; round < 10; round++) {
			if (mesh.versions === "v2") mesh.refuse(0);
			mesh.confirm(0);
			mesh.clock.advance(100);
		}
		assert.deepEqual([mesh.versions, mesh.held], ["v1", ["VirtualService/default/rule"]]);
		assert.ok(mesh.control.snapshot.objects.VirtualService?.has("VirtualService/default/other"));
	});
});

describe("a rule with which proxies are not well", () => {
	let mesh: Mesh;
	beforeEach(() => {
		mesh = new Mesh(10);
		for (const index of mesh.ids.keys()) mesh.report(index);
		mesh.write(rule("v2"));
		assert.equal(mesh.versions, "v2 v1 v1 v1 v1 v1 v1 v1 v1 v1");
	});

	it("is taken back from the first that has it, and reaches no other", () => {
		mesh.report(0, { ready: false });
		assert.match(mesh.versions, /^(v1 ?){10}$/);
		mesh.clock.advance(60_000);
		assert.match(mesh.versions, /^(v1 ?){10}$/);
		assert.deepEqual(mesh.held, ["VirtualService/default/rule"]);
	});

	it("is not to blame for one that does not have it yet", () => {
		mesh.report(5, { ready: false });
		mesh.clock.advance(5_000);
		assert.match(mesh.versions, /^(v2 ?){10}$/);
	});

	it("is taken back from all when two are not well soon after, and not when one is", () => {
		mesh.clock.advance(5_000);
		assert.match(mesh.versions, /^(v2 ?){10}$/);
		mesh.report(3, { ready: false });
		assert.match(mesh.versions, /^(v2 ?){10}$/);
		mesh.report(4, { ready: false });
		assert.match(mesh.versions, /^(v1 ?){10}$/);
	});

	it("is none that no proxy hears of: what nodes are to do when proxies fail stays", () => {
		const mesh = new Mesh(2);
		for (const index of [0, 1]) mesh.report(index);
		mesh.write(anObject("HotSwitch", "own", { failOpen: "never" }));
		for (const index of [0, 1]) mesh.report(index, { ready: false });
		assert.deepEqual(mesh.held, []);
		assert.equal(mesh.control.snapshot.objects.HotSwitch?.size, 1);
	});

	it("is never about who may call whom: that does not change because proxies fail", () => {
		mesh.clock.advance(60_000);
		mesh.write(aPeerAuthentication("own", { mtls: { mode: "STRICT" } }), anAuthorizationPolicy("own"));
		for (const index of mesh.ids.keys()) mesh.report(index, { ready: false });
		assert.deepEqual(mesh.held, []);
	});

	it("is not to blame in a mesh where all had it at once: proxies fail for other reasons", () => {
		const mesh = new Mesh(7);
		for (const index of mesh.ids.keys()) mesh.report(index);
		mesh.write(rule("v2"));
		for (const index of mesh.ids.keys()) mesh.report(index, { ready: false });
		assert.deepEqual(mesh.held, []);
		assert.match(mesh.versions, /^(v2 ?){7}$/);
	});

	it("is not to blame for proxies that get their configuration from another control plane", () => {
		mesh.clock.advance(5_000);
		mesh.elsewhere(3);
		mesh.elsewhere(3, { ready: false });
		assert.match(mesh.versions, /^(v2 ?){10}$/);
	});

	it("has proved itself after a while", () => {
		mesh.clock.advance(20_000);
		mesh.report(3, { ready: false });
		mesh.report(4, { ready: false });
		assert.match(mesh.versions, /^(v2 ?){10}$/);
		assert.deepEqual(mesh.held, []);
	});
});

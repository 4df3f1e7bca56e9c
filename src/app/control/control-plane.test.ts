import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { HealthStatus } from "../../envoy/gen/envoy/config/core/v3/health_check_pb.ts";
import { ClusterLoadAssignmentSchema } from "../../envoy/gen/envoy/config/endpoint/v3/endpoint_pb.ts";
import { aPod, aProxy, applied, aRequestAuthentication, aService, removed } from "../../model/model.testing.ts";
import { silentLog } from "../../runtime/log.ts";
import { createMetrics } from "../../runtime/metrics.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { controlMetrics } from "../../telemetry/control-metrics.ts";
import { type TypeUrl, typeUrls } from "../../xds/resource.ts";
import { ControlPlane } from "./control-plane.ts";
import { findResource } from "./resource-makers.ts";

const service = aService("web", { clusterIP: "10.96.0.1", ports: [{ name: "http", port: 80, targetPort: 8080 }] });
const pod = (name: string, address: string, serviceAccountName: string) => aPod(name, address, { serviceAccountName });
const cluster = "outbound|80||web.default.svc.cluster.local";

describe("endpoints under a new service account", () => {
	const clock = new VirtualClock();
	const publications: { readonly atMs: number; readonly accounts: boolean; readonly endpoint: boolean }[] = [];
	const control = new ControlPlane(
		{},
		{
			clock,
			log: silentLog,
			metrics: controlMetrics(createMetrics()),
			onPublished: () =>
				publications.push({
					atMs: clock.monotonicMs(),
					accounts: holds(typeUrls.cluster, "sa/second"),
					endpoint: holds(typeUrls.endpoints, "10.1.0.2"),
				}),
		},
	);
	const client = aProxy("client-1", { workloadCertificate: true });
	const resource = (typeUrl: TypeUrl) => {
		const parts = control.configFor(client.id)?.get(typeUrl)?.parts ?? [];
		return parts.map((part) => part.resources.get(cluster)).find((one) => one !== undefined);
	};
	const holds = (typeUrl: TypeUrl, text: string) => Buffer.from(resource(typeUrl)?.any ?? []).includes(text);
	control.change(applied(service, pod("web-1", "10.1.0.1", "first")));
	control.flush();
	control.connect(client);
	clock.advance(10_000);

	it("are published at once, together with clusters that take the account, even in a storm of other changes", () => {
		publications.length = 0;
		const startMs = clock.monotonicMs();
		control.change(applied(aService("other")));
		clock.advance(5);
		control.change(applied(aService("another")));
		control.change(applied(pod("web-2", "10.1.0.2", "second")));
		assert.deepEqual(publications.at(-1), { atMs: startMs + 5, accounts: true, endpoint: true });
		assert.ok(publications.every(({ accounts, endpoint }) => accounts === endpoint));
	});

	it("leave the clusters alone when the account is known", () => {
		const before = resource(typeUrls.cluster);
		control.change(applied(pod("web-3", "10.1.0.3", "second")));
		clock.advance(10);
		assert.ok(holds(typeUrls.endpoints, "10.1.0.3"));
		assert.equal(resource(typeUrls.cluster), before);
	});
});

describe("the removal of most endpoints at once", () => {
	it("does not reach proxies for 30 s, unless it is confirmed", () => {
		const clock = new VirtualClock();
		const parts = { clock, log: silentLog, metrics: controlMetrics(createMetrics()), onPublished: () => {} };
		const control = new ControlPlane({}, parts);
		const pods = Array.from({ length: 30 }, (_, index) => pod(`web-${index}`, `10.1.0.${index}`, "web"));
		control.change(applied(service, ...pods));
		control.flush();
		const client = aProxy("client-1");
		control.connect(client);
		const endpoints = (): number => {
			const found = findResource(control.configFor(client.id), typeUrls.endpoints, cluster);
			return pods.filter((_, index) => Buffer.from(found?.any ?? []).includes(`10.1.0.${index}\u0018`)).length;
		};
		const all = endpoints();
		assert.ok(all >= 29);
		control.change(removed(...pods));
		clock.advance(29_000);
		assert.deepEqual([endpoints(), control.heldRemovals], [all, 30]);
		control.change(applied(...pods.slice(0, 10)));
		assert.equal(control.heldRemovals, 20);
		assert.equal(control.confirmHeld(), 20);
		clock.advance(10);
		assert.equal(control.snapshot.objects.Pod?.size, 10);
		assert.ok(endpoints() < all);
	});
});

describe("keys of tokens", () => {
	const uri = "https://issuer.example/keys";
	const keySet = JSON.stringify({ keys: [{ kty: "RSA", kid: "k", n: "AQAB-fetched", e: "AQAB" }] });
	const tokens = aRequestAuthentication("tokens", { jwtRules: [{ issuer: "https://issuer.example", jwksUri: uri }] });

	/** A mesh with one sidecar, and a fetcher of keys that does what the test says. */
	function start() {
		const clock = new VirtualClock();
		const asked: string[] = [];
		/** Whether each publication's listener held the fetched key, and when. */
		const published: string[] = [];
		let startMs = 0;
		let settle: (() => void) | undefined;
		let fetching = false;
		const web = aProxy("web-1", { ipAddresses: ["10.1.0.1"] });
		const control = new ControlPlane(
			{},
			{
				clock,
				log: silentLog,
				metrics: controlMetrics(createMetrics()),
				keySets: {
					need(needed) {
						if (needed.length === 0 || asked.length > 0) return;
						asked.push(...needed.map((one) => one.uri));
						fetching = true;
					},
					isFetchingFirst: () => fetching,
					firstTries: (maxMs) =>
						new Promise((resolve) => {
							settle = resolve;
							clock.after(maxMs, resolve);
						}),
				},
				onPublished: () => {
					const parts = control.configFor(web.id)?.get(typeUrls.listener)?.parts ?? [];
					const bytes = parts.flatMap((part) => [...part.resources.values()].map(({ any }) => Buffer.from(any)));
					const has = bytes.some((any) => any.includes("AQAB-fetched"));
					published.push(`${clock.monotonicMs() - startMs} ms: ${has ? "keys" : "no keys"}`);
				},
			},
		);
		control.change(applied(service, aPod("web-1", "10.1.0.1")));
		control.flush();
		control.connect(web);
		clock.advance(1000);
		published.length = 0;
		startMs = clock.monotonicMs();
		const advance = async (ms: number): Promise<void> => {
			clock.advance(ms);
			await new Promise((resolve) => setImmediate(resolve));
		};
		const ended = (): void => {
			fetching = false;
			settle?.();
		};
		return { control, asked, published, advance, ended };
	}

	it("are asked for as soon as a rule arrives, and are in its first publication", async () => {
		const { control, asked, published, advance, ended } = start();
		control.change(applied(tokens));
		assert.deepEqual(asked, [uri]);
		await advance(50);
		assert.deepEqual(published, []);
		control.setKeySets(new Map([[uri, keySet]]));
		ended();
		await advance(0);
		assert.deepEqual(published, ["50 ms: keys"]);
		await advance(1000);
		assert.equal(published.length, 1);
	});

	it("that cannot be fetched hold the rule up until that is known", async () => {
		const { control, published, advance, ended } = start();
		control.change(applied(tokens));
		await advance(20);
		ended();
		await advance(0);
		assert.deepEqual(published, ["20 ms: no keys"]);
	});

	it("that do not come hold the rule up for half a second, others' changes never again", async () => {
		const { control, published, advance } = start();
		control.change(applied(tokens));
		await advance(500);
		await advance(2);
		assert.deepEqual(published, ["502 ms: no keys"]);
		await advance(1000);
		control.change(applied(aService("other")));
		await advance(10);
		assert.equal(published.length, 2);
		control.setKeySets(new Map([[uri, keySet]]));
		await advance(1000);
		assert.match(published.at(-1) ?? "", / ms: keys$/);
		assert.equal(published.length, 3);
		control.setKeySets(new Map([[uri, keySet]]));
		await advance(1000);
		assert.equal(published.length, 3);
	});

	it("do not hold up endpoints, nor what is read at the start", async () => {
		const { control, published, advance } = start();
		control.change(applied(tokens));
		control.change(applied(aPod("web-9", "10.1.0.9")));
		assert.deepEqual(published, ["0 ms: no keys"]);
		control.flush();
		await advance(0);
		assert.equal(published.length, 2);
	});
});

describe("a machine that is lost", () => {
	it("has its endpoints unhealthy at proxies at once, past all that waits, and as before when it is back", () => {
		const clock = new VirtualClock();
		const published: number[] = [];
		const metrics = controlMetrics(createMetrics());
		const onPublished = (): void => void published.push(clock.monotonicMs());
		const control = new ControlPlane({}, { clock, log: silentLog, metrics, onPublished });
		const on = (node: string, address: string) => aPod(`web-${node}`, address, { nodeName: node });
		control.change(applied(service, on("n1", "10.1.0.1"), on("n2", "10.1.0.2")));
		control.flush();
		const client = aProxy("client-1");
		control.connect(client);
		clock.advance(10_000);
		const health = (): readonly (readonly [string | undefined, HealthStatus])[] => {
			const found = findResource(control.configFor(client.id), typeUrls.endpoints, cluster);
			const { value } = fromBinary(AnySchema, found?.any ?? new Uint8Array());
			return fromBinary(ClusterLoadAssignmentSchema, value).endpoints.flatMap(({ lbEndpoints }) =>
				lbEndpoints.map(({ healthStatus, hostIdentifier }) => {
					const endpoint = hostIdentifier.case === "endpoint" ? hostIdentifier.value : undefined;
					const address = endpoint?.address?.address;
					return [address?.case === "socketAddress" ? address.value.address : undefined, healthStatus] as const;
				}),
			);
		};
		const whole = health();
		assert.equal(whole.length, 2);
		control.change(applied(aService("other")));
		published.length = 0;
		const lostAtMs = clock.monotonicMs();
		control.setLost({ nodes: new Set(["n1"]), pods: new Set() });
		clock.advance(10);
		assert.ok((published[0] ?? Number.POSITIVE_INFINITY) <= lostAtMs + 10);
		assert.deepEqual(new Map(health()).get("10.1.0.1"), HealthStatus.UNHEALTHY);
		assert.deepEqual(new Map(health()).get("10.1.0.2"), new Map(whole).get("10.1.0.2"));
		control.setLost({ nodes: new Set(), pods: new Set() });
		clock.advance(10);
		assert.deepEqual(health(), whole);
		control.close();
	});
});

// The control plane whole: files on a disk, a delta-ADS client on a socket, the API.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { typeUrls } from "../xds/resource.ts";
import type { ApplyAnswer, MeshStatus, ProxyItem, ResourceItem } from "./api/api-types.ts";
import { ControlRig } from "./control.testing.ts";

const sidecar = "sidecar~10.1.0.5~client-1.default~default.svc.cluster.local";

const service = (name: string): string =>
	`apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec:\n  selector: {app: ${name}}\n  ports:\n  - {name: http, port: 9080}\n`;
const services = (count: number): string =>
	Array.from({ length: count }, (_, i) => service(`s${String(i).padStart(3, "0")}`)).join("---\n");
const slice = (name: string, ip: string): string =>
	`apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  name: ${name}-1\n  labels: {kubernetes.io/service-name: ${name}}\naddressType: IPv4\nports:\n- {name: http, port: 9080}\nendpoints:\n- addresses: [${ip}]\n`;
const timeoutRule = (timeout: string): string =>
	`apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: reviews}\nspec:\n  hosts: [reviews]\n  http:\n  - timeout: ${timeout}\n    route:\n    - destination: {host: reviews}\n`;

const cluster = (name: string): string => `outbound|9080||${name}.default.svc.cluster.local`;

describe("control plane", () => {
	let rig: ControlRig;
	beforeEach(() => {
		rig = new ControlRig();
	});
	afterEach(() => rig.close());

	async function resource(kind: string, name: string): Promise<ResourceItem> {
		const { body } = await rig.api<{ items: ResourceItem[] }>(`/api/v1/resources?kind=${kind}&name=${name}`);
		const [item] = body.items;
		assert.ok(item, `no ${kind} ${name}`);
		return item;
	}
	async function until<Value>(read: () => Promise<Value>, is: (value: Value) => boolean, what: string): Promise<Value> {
		const deadlineMs = performance.now() + 3000;
		for (;;) {
			const value = await read();
			if (is(value)) return value;
			if (performance.now() > deadlineMs) assert.fail(`never: ${what}; last: ${JSON.stringify(value)}`);
			await new Promise((done) => setTimeout(done, 10));
		}
	}

	it("gives a client what the files say, and every change of them", async () => {
		rig.write("reviews.yaml", service("reviews"));
		await rig.start();
		const client = rig.connect(sidecar);
		await client.until(() => client.names(typeUrls.cluster).includes(cluster("reviews")), "the cluster of reviews");
		rig.write("ratings.yaml", service("ratings"));
		await client.until(() => client.names(typeUrls.cluster).includes(cluster("ratings")), "the cluster of ratings");
		rig.remove("ratings.yaml");
		await client.until(() => !client.names(typeUrls.cluster).includes(cluster("ratings")), "ratings gone");
	});

	it("sends nothing but endpoints when endpoints change", async () => {
		rig.write("reviews.yaml", service("reviews"));
		rig.write("slice.yaml", slice("reviews", "10.1.0.9"));
		await rig.start();
		const client = rig.connect(sidecar);
		await client.until(
			() => client.names(typeUrls.endpoints).length > 0 && client.names(typeUrls.route).length > 0,
			"all",
		);
		const versions = (typeUrl: string) => JSON.stringify([...(client.have.get(typeUrl) ?? [])]);
		const before = [typeUrls.cluster, typeUrls.listener, typeUrls.route].map(versions);
		const endpoints = versions(typeUrls.endpoints);
		rig.write("slice.yaml", slice("reviews", "10.1.0.10"));
		await client.until(() => versions(typeUrls.endpoints) !== endpoints, "new endpoints");
		assert.deepEqual([typeUrls.cluster, typeUrls.listener, typeUrls.route].map(versions), before);
	});

	it("keeps the last good version of a resource that an edit breaks, says so, and takes the mended one", async () => {
		rig.write("all.yaml", service("reviews"));
		rig.write("rule.yaml", timeoutRule("7s"));
		await rig.start();
		const client = rig.connect(sidecar);
		await client.until(() => client.have.get(typeUrls.route)?.has("9080") ?? false, "the route table");
		const good = client.have.get(typeUrls.route)?.get("9080");
		rig.write("rule.yaml", timeoutRule("soon"));
		const item = await until(
			() => resource("VirtualService", "reviews"),
			({ status }) => !status.accepted,
			"not accepted",
		);
		assert.match(JSON.stringify(item.status.problems), /timeout/);
		assert.equal((item.manifest.spec as { http: { timeout: string }[] }).http[0]?.timeout, "7s");
		assert.equal(client.have.get(typeUrls.route)?.get("9080"), good);
		rig.write("rule.yaml", timeoutRule("9s"));
		await client.until(() => client.have.get(typeUrls.route)?.get("9080") !== good, "the mended route table");
		assert.equal((await resource("VirtualService", "reviews")).status.accepted, true);
	});

	it("says on how many proxies a rule is applied, and who rejected it with which words", async () => {
		rig.write("all.yaml", `${service("reviews")}---\n${service("ratings")}`);
		rig.write("rule.yaml", timeoutRule("7s"));
		await rig.start();
		const one = rig.connect(sidecar);
		const two = rig.connect("sidecar~10.1.0.6~client-2.default~default.svc.cluster.local");
		for (const client of [one, two])
			await client.until(() => client.have.get(typeUrls.route)?.has("9080") ?? false, "routes");
		const applied = await until(
			() => resource("VirtualService", "reviews"),
			({ status }) => status.proxies?.applied === 2,
			"applied on 2",
		);
		assert.deepEqual(applied.status.proxies, { concerned: 2, applied: 2, rejected: [], withheld: 0 });
		two.refuse = (typeUrl) => (typeUrl === typeUrls.route ? "no such thing" : undefined);
		rig.write("rule.yaml", timeoutRule("8s"));
		const rejected = await until(
			() => resource("VirtualService", "reviews"),
			({ status }) => (status.proxies?.rejected.length ?? 0) > 0,
			"rejected",
		);
		const { proxies } = rejected.status;
		assert.equal(proxies?.applied, 1);
		assert.deepEqual(
			proxies?.rejected.map(({ proxy, type, message }) => [proxy.split("~")[2], type, message]),
			[["client-2.default", "RDS", "9080: no such thing"]],
		);
		assert.deepEqual((await resource("Service", "ratings")).status.proxies?.rejected, [], "ratings is not to blame");
		const { body } = await rig.api<{ items: ProxyItem[] }>("/api/v1/proxies");
		assert.equal(body.items.find((proxy) => proxy.name === "client-2.default")?.types.RDS?.sync, "ERROR");
	});

	it("names the winner when two files define one resource", async () => {
		rig.write("a.yaml", timeoutRule("1s"));
		rig.write("b.yaml", timeoutRule("2s"));
		rig.write("s.yaml", service("reviews"));
		await rig.start();
		const { manifest, status } = await resource("VirtualService", "reviews");
		assert.match(status.problems[0]?.message ?? "", /is also defined at .*\/a\.yaml:1, which comes first/);
		assert.equal((manifest.spec as { http: { timeout: string }[] }).http[0]?.timeout, "1s");
	});

	it("says of a resource whose file broke that its last good version is in force", async () => {
		rig.write("s.yaml", service("reviews"));
		rig.write("rule.yaml", timeoutRule("1s"));
		await rig.start();
		assert.equal((await resource("VirtualService", "reviews")).status.accepted, true);
		rig.write("rule.yaml", "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: reviews\n");
		const { manifest, status } = await until(
			() => resource("VirtualService", "reviews"),
			(item) => item.status.problems.length > 0,
			"the problem",
		);
		assert.equal(status.accepted, false);
		assert.match(status.problems[0]?.message ?? "", /is not valid YAML/);
		assert.equal((manifest.spec as { http: { timeout: string }[] }).http[0]?.timeout, "1s");
		assert.equal((await resource("Service", "reviews")).status.accepted, true);
	});

	it("says which resource won a host that two claim", async () => {
		rig.write("s.yaml", service("reviews"));
		rig.write("a.yaml", timeoutRule("1s"));
		rig.write("b.yaml", timeoutRule("2s").replace("name: reviews", "name: second"));
		await rig.start();
		const { status } = await resource("VirtualService", "second");
		assert.equal(status.accepted, true);
		assert.match(status.problems[0]?.message ?? "", /VirtualService default\/reviews, which is older, has the host/);
		assert.equal(status.problems[0]?.code, "IST0109");
		assert.match(await (await fetch(`${rig.apiUrl}/metrics`)).text(), /^pilot_conflict_mesh_hosts 1$/m);
	});

	it("says which rule's subset is not used when two rules define it", async () => {
		const rule = (name: string): string =>
			`apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: ${name}}\nspec:\n  host: reviews\n  subsets:\n  - {name: v1, labels: {version: ${name}}}\n`;
		rig.write("s.yaml", `${service("reviews")}---\n${rule("a")}---\n${rule("b")}`);
		await rig.start();
		const { status } = await resource("DestinationRule", "b");
		assert.ok(
			status.problems.some(({ message }) => /subset v1 .*DestinationRule default\/a/.test(message)),
			JSON.stringify(status.problems),
		);
	});

	it("holds a push that would take most clusters away until the operator confirms it", async () => {
		rig.write("many.yaml", services(40));
		await rig.start();
		const client = rig.connect(sidecar);
		await client.until(() => client.names(typeUrls.cluster).length > 40, "40 clusters");
		rig.write("many.yaml", services(2));
		const { body } = await until(
			() => rig.api<{ items: ProxyItem[] }>("/api/v1/proxies"),
			({ body: { items } }) => items[0]?.withheld !== undefined,
			"held",
		);
		assert.match(body.items[0]?.withheld?.message ?? "", /would remove 38 of 4\d clusters/);
		assert.ok(client.names(typeUrls.cluster).length > 40);
		const confirmed = await rig.api<{ confirmed: number }>("/api/v1/held/confirm", { method: "POST" });
		assert.deepEqual(confirmed.body, { confirmed: 1 });
		await client.until(() => client.names(typeUrls.cluster).length < 10, "38 clusters gone");
	});

	it("applies and deletes resources through the API, in files", async () => {
		rig.write("all.yaml", `# kept\n${service("reviews")}---\n${timeoutRule("1s")}`);
		await rig.start();
		const client = rig.connect(sidecar);
		await client.until(() => client.have.get(typeUrls.route)?.has("9080") ?? false, "routes");
		const put = (body: string, query = "") =>
			rig.api<ApplyAnswer>(`/api/v1/resources${query}`, { method: "PUT", body });
		const text = `${service("ratings")}---\n${timeoutRule("2s")}`;
		const dry = await put(text, "?dryRun=true");
		assert.deepEqual(dry.body.ok && dry.body.items.map((item) => item.outcome), ["created", "configured"]);
		assert.deepEqual(readdirSync(rig.directory), ["all.yaml"]);
		const { body } = await put(text);
		assert.deepEqual(body.ok && body.items.map((item) => item.outcome), ["created", "configured"]);
		assert.equal(readFileSync(join(rig.directory, "Service.default.ratings.yaml"), "utf8"), service("ratings"));
		assert.equal(
			readFileSync(join(rig.directory, "all.yaml"), "utf8"),
			`# kept\n${service("reviews")}---\n${timeoutRule("2s")}`,
		);
		await client.until(() => client.names(typeUrls.cluster).includes(cluster("ratings")), "ratings");
		const again = await put(text);
		assert.deepEqual(again.body.ok && again.body.items.map((item) => item.outcome), ["unchanged", "unchanged"]);
		const removed = await rig.api("/api/v1/resources/Service/default/ratings", { method: "DELETE" });
		assert.equal(removed.status, 200);
		assert.equal(existsSync(join(rig.directory, "Service.default.ratings.yaml")), false);
		await client.until(() => !client.names(typeUrls.cluster).includes(cluster("ratings")), "ratings gone");
		assert.equal((await rig.api("/api/v1/resources/Service/default/ratings", { method: "DELETE" })).status, 404);
	});

	it("refuses to apply what is wrong, with every problem, and writes nothing", async () => {
		await rig.start();
		const bad = timeoutRule("soon").replace("hosts: [reviews]", "hosts: [7]");
		const { status, body } = await rig.api<ApplyAnswer>("/api/v1/resources", {
			method: "PUT",
			body: `${service("x")}---\n${bad}`,
		});
		assert.equal(status, 422);
		assert.deepEqual(body.problems.map((problem) => problem.path).sort(), ["spec.hosts[0]", "spec.http[0].timeout"]);
		assert.deepEqual(readdirSync(rig.directory), []);
	});

	it("answers the health, metrics, debug and config pages", async () => {
		rig.write("reviews.yaml", `${service("reviews")}---\n${timeoutRule("1s")}`);
		await rig.start();
		const client = rig.connect(sidecar);
		await client.until(() => client.have.get(typeUrls.route)?.has("9080") ?? false, "routes");
		for (const path of ["/healthz", "/readyz"]) assert.equal((await fetch(rig.apiUrl + path)).status, 200);
		const metrics = await (await fetch(`${rig.apiUrl}/metrics`)).text();
		for (const line of [
			"pilot_xds 1",
			"pilot_services 1",
			"pilot_virt_services 1",
			/pilot_xds_pushes\{type="cds"\} [1-9]/,
			/pilot_k8s_cfg_events\{type="Service",event="update"\} 1/,
			/pilot_proxy_convergence_time_count/,
			/process_resident_memory_bytes/,
			/nodejs_eventloop_lag_seconds/,
		]) {
			assert.match(metrics, line instanceof RegExp ? line : new RegExp(`^${line}$`, "m"));
		}
		const sync = await until(
			() => rig.api<{ proxy: string; cluster_status: string; route_status: string }[]>("/debug/syncz"),
			({ body }) => body[0]?.route_status === "SYNCED",
			"synced",
		);
		assert.deepEqual([sync.body[0]?.proxy, sync.body[0]?.cluster_status], ["client-1.default", "SYNCED"]);
		const dump = await rig.api<{ routes: { name: string }[] }>("/debug/config_dump?proxyID=client-1.default");
		assert.deepEqual(
			dump.body.routes.map((route) => route.name),
			["9080"],
		);
		assert.equal((await rig.api("/debug/config_dump?proxyID=nobody")).status, 404);
		const { body } = await rig.api<MeshStatus>("/api/v1/status");
		assert.deepEqual([body.ready, body.resources, body.proxies.synced], [true, { Service: 1, VirtualService: 1 }, 1]);
	});

	it("shows no value of a Secret", async () => {
		rig.write("secret.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {key: HIDDEN}\n");
		await rig.start();
		for (const path of ["/api/v1/resources", "/debug/configz"]) {
			const text = await (await fetch(rig.apiUrl + path)).text();
			assert.match(text, /redacted/);
			assert.doesNotMatch(text, /HIDDEN|SElEREVO/);
		}
	});
});

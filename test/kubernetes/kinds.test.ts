// The mesh's kinds on a real API server: their definitions and rules, and what becomes of each object in its status.

import assert from "node:assert/strict";
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { parseAllDocuments } from "yaml";
import { checkout } from "../../cluster/cluster-paths.ts";
import { DeltaClient } from "../../src/app/control.testing.ts";
import { typeUrls } from "../../src/xds/resource.ts";
import { type ControlReplica, serviceOfReplicas, startControlReplica } from "./control-replica.ts";
import { keepmeshObject, MeshObjects, routeTo, type TestObject, virtualService } from "./mesh-objects.ts";
import { refusedObjects, virtualIp } from "./refused-objects.ts";
import { noCluster, openCluster, type TestCluster, until } from "./test-cluster.ts";

const definitions = "customresourcedefinitions.apiextensions.k8s.io";
const samples = join(checkout, "../shared/inputs/istio");

interface ReadStatus {
	readonly observedGeneration: number;
	readonly applied?: string;
	readonly reason: string;
	readonly message: string;
	readonly conditions: readonly { readonly type: string; readonly status: string; readonly reason: string }[];
}

describe("kinds of the mesh on a real API server", { skip: noCluster, timeout: 600_000 }, () => {
	let cluster: TestCluster;
	let objects: MeshObjects;
	const directory = mkdtempSync(join(tmpdir(), "keepmesh-kinds-"));

	before(async () => {
		cluster = await openCluster();
		objects = new MeshObjects(cluster);
		await objects.installKinds();
	});
	after(async () => {
		rmSync(directory, { recursive: true, force: true });
		await objects?.removeKinds();
		await cluster?.close();
	});

	it("finds nothing wrong with the schemas", async () => {
		const path = "{range .items[*].status.conditions[?(@.type=='NonStructuralSchema')]}{.message}{end}";
		assert.equal(await cluster.kubectl("get", definitions, "-o", `jsonpath=${path}`), "");
	});

	for (const [what, object, because] of refusedObjects)
		it(`refuses ${what} by itself`, async () => assert.match(await objects.refusalOf(object), because));

	it("takes what is just right", async () => {
		for (const object of [
			keepmeshObject("HotSwitch", "a", {}),
			keepmeshObject("HotSwitch", "b", {
				heartbeat: "50ms",
				lease: "100ms",
				hang: "100ms",
				steps: ["spare", "direct"],
			}),
			virtualIp({ addresses: ["fd00::1/64"], virtualRouterId: 255, checks: [{ name: "a", interface: "eth0" }] }),
			virtualService("a", routeTo("a", { timeout: "1h30m0.5s" })),
		])
			assert.equal(await objects.refusalOf(object), "");
	});

	it("takes Istio's samples as they are", { skip: !existsSync(samples) }, async () => {
		const found = globSync("bookinfo-networking/*.yaml", { cwd: samples })
			.flatMap((name) => parseAllDocuments(readFileSync(join(samples, name), "utf8")).map((one) => one.toJS()))
			.filter((one) => /\.istio\.io\//.test(one?.apiVersion ?? ""))
			.map((one): TestObject => ({ ...one, metadata: { name: one.metadata.name } }));
		assert.ok(found.length > 20);
		for (const object of found) assert.equal(await objects.refusalOf(object), "", object.metadata.name);
	});

	it("explains fields", async () => {
		assert.match(await cluster.kubectl("explain", "virtualip.spec.checks.apiServer"), /API server answers \/livez/);
		assert.match(await cluster.kubectl("explain", "vs.status.applied"), /3 of 4/);
	});

	it("lists what is Keepmesh's own together", async () => {
		await objects.put(keepmeshObject("HotSwitch", "listed", {}));
		await objects.put(keepmeshObject("MeshConfig", "listed", {}));
		const names = await cluster.kubectl("get", "keepmesh", "-o", "name");
		assert.match(names, /hotswitch\.keepmesh\.io\/listed/);
		assert.match(names, /meshconfig\.keepmesh\.io\/listed/);
	});

	describe("with control planes", () => {
		const replicas: ControlReplica[] = [];
		const proxies: DeltaClient[] = [];

		before(async () => {
			const { controlPlane, nodes } = cluster.shape;
			const [node = controlPlane] = nodes;
			const places = [
				{ pod: "control-a", ip: controlPlane.ip },
				{ pod: "control-b", ip: node.ip },
			];
			await cluster.apply(...serviceOfReplicas(places), service("web"), service("api"));
			replicas.push(await startControlReplica(cluster, controlPlane, "control-a", directory));
			await until("the first leads", async () => (await replicas[0]?.metric("keepmesh_leader")) === 1);
			replicas.push(await startControlReplica(cluster, node, "control-b", directory));
		});
		after(async () => {
			for (const proxy of proxies) proxy.close();
			await Promise.all(replicas.map((replica) => replica.stop()));
		});

		const service = (name: string): TestObject => ({
			apiVersion: "v1",
			kind: "Service",
			metadata: { name },
			spec: { selector: { app: name }, ports: [{ name: "http", port: 80 }] },
		});

		function connect(replica: ControlReplica | undefined, name: string): DeltaClient {
			const domain = `${cluster.namespace}.svc.cluster.local`;
			const id = `sidecar~10.9.0.${proxies.length + 1}~${name}.${cluster.namespace}~${domain}`;
			const metadata = { NAMESPACE: cluster.namespace, LABELS: { app: name } };
			const proxy = new DeltaClient(replica?.socket ?? "", id, metadata);
			proxies.push(proxy);
			return proxy;
		}

		/** Waits until it is so, and says what it was otherwise. */
		async function untilStatus(
			object: TestObject,
			is: (status: Partial<ReadStatus>) => boolean,
		): Promise<Partial<ReadStatus>> {
			let last: Partial<ReadStatus> = {};
			try {
				await until("it", async () => {
					last = ((await objects.read(object)) as { status?: Partial<ReadStatus> }).status ?? {};
					return is(last);
				});
			} catch (error) {
				throw new Error(`${object.kind} ${object.metadata.name}: ${JSON.stringify(last)}`, { cause: error });
			}
			return last;
		}

		const web = virtualService("web", routeTo("web"));

		it("say that a resource is accepted, and that nobody uses it yet", async () => {
			await objects.put(web);
			const status = await untilStatus(web, ({ applied }) => applied === "0 of 0");
			assert.equal(status.observedGeneration, 1);
			assert.deepEqual(
				status.conditions?.map((one) => `${one.type}=${one.status} ${one.reason}`),
				["Accepted=True Accepted", "Applied=Unknown NoProxies"],
			);
		});

		it("count the proxies of all replicas", async () => {
			connect(replicas[0], "api");
			connect(replicas[1], "api");
			connect(replicas[1], "web");
			const status = await untilStatus(web, ({ applied }) => applied === "3 of 3");
			assert.equal(status.reason, "");
			const columns = await cluster.kubectl("get", "vs", "web");
			assert.match(columns, /ACCEPTED +APPLIED +REASON +AGE/);
			assert.match(columns, /web +\["web"\] +True +3 of 3 /);
		});

		it("say that a newer version is refused and why, while the last good one stays in force", async () => {
			const both = virtualService("web", routeTo("web", { rewrite: { uri: "/a" }, redirect: { uri: "/b" } }));
			await objects.put(both);
			const status = await untilStatus(web, (one) => one.observedGeneration === 2 && one.applied === "3 of 3");
			assert.equal(status.reason, "Invalid");
			assert.match(status.message ?? "", /^spec\.http\[0\]/);
			await objects.replace(web);
			await untilStatus(web, ({ observedGeneration, reason }) => observedGeneration === 3 && reason === "");
		});

		it("name the analysis code of what a resource refers to and there is not", async () => {
			const lost = virtualService("lost", routeTo("nowhere"));
			await objects.put(lost);
			const status = await untilStatus(lost, ({ reason }) => reason === "IST0101");
			assert.match(status.message ?? "", /nowhere/);
		});

		it("say who rejects a resource, in the proxy's own words, and when that is over", async () => {
			for (const proxy of proxies)
				proxy.refuse = (typeUrl, name) =>
					typeUrl === typeUrls.cluster && name.includes("|api.") ? "no such option" : undefined;
			const rule = (maxConnections: number): TestObject => ({
				apiVersion: "networking.istio.io/v1",
				kind: "DestinationRule",
				metadata: { name: "api" },
				spec: { host: "api", trafficPolicy: { connectionPool: { tcp: { maxConnections } } } },
			});
			await objects.put(rule(7));
			const status = await untilStatus(rule(7), ({ reason }) => reason === "Rejected");
			assert.match(status.message ?? "", /no such option/);
			for (const proxy of proxies) proxy.refuse = () => undefined;
			await objects.put(rule(8));
			await untilStatus(rule(8), ({ applied, reason }) => reason === "" && applied === "3 of 3");
		});

		describe("that judge what is applied", () => {
			const configuration = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
			const broken = virtualService("broken", {
				hosts: ["web"],
				http: [{ route: [{ destination: { host: "w_b" } }] }],
			});

			before(async () => {
				await objects.put(broken);
				const clientConfig = { service: { namespace: cluster.namespace, name: "keepmesh-control", path: "/validate" } };
				const groups = ["networking.istio.io", "security.istio.io", "telemetry.istio.io", "keepmesh.io"];
				const webhook = {
					name: "validation.keepmesh.io",
					clientConfig,
					rules: [{ apiGroups: groups, apiVersions: ["*"], operations: ["CREATE", "UPDATE"], resources: ["*"] }],
					namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": cluster.namespace } },
					failurePolicy: "Ignore",
					sideEffects: "None",
					admissionReviewVersions: ["v1"],
					timeoutSeconds: 5,
				};
				const metadata = { name: cluster.namespace, labels: { "app.kubernetes.io/part-of": "keepmesh" } };
				const { status } = await objects.ask("POST", configuration, { metadata, webhooks: [webhook] });
				assert.equal(status, 201);
				await until("reviews are asked for", async () => (await objects.refusalOf(another("spec"))).includes("denied"));
			});
			after(async () => {
				await objects.ask("DELETE", `${configuration}/${cluster.namespace}`);
			});

			/** Broken in a way that no schema knows of. */
			const another = (name: string): TestObject => ({ ...broken, metadata: { name } });

			it("refuse what `validate` refuses, with all that is wrong and what would be right", async () => {
				const spec = {
					hosts: ["web"],
					http: [
						{ route: [{ destination: { host: "w_b" } }] },
						{ route: [{ destination: { host: "web" } }], redirect: { uri: "/a" }, rewrite: { uri: "/b" } },
					],
				};
				const { code, stderr } = await cluster.tryKubectl(
					["apply", "-f", "-"],
					JSON.stringify(virtualService("bad", spec)),
				);
				assert.equal(code, 1);
				assert.match(stderr, new RegExp(`VirtualService ${cluster.namespace}/bad has [23] errors:`));
				assert.match(stderr, /\n {2}spec\.http\[0\]\.route\[0\]\.destination\.host: /);
				assert.match(stderr, /\n {2}spec\.http\[1\]/);
			});

			it("take and warn of what does nothing, or refers to what there is not", async () => {
				const telemetry = { apiVersion: "telemetry.istio.io/v1", kind: "Telemetry", metadata: { name: "a" }, spec: {} };
				const items = [telemetry, virtualService("elsewhere", routeTo("not-there"))];
				const list = JSON.stringify({ apiVersion: "v1", kind: "List", items });
				// A control plane with much to do does without warnings for a while.
				await until("it warns", async () => {
					const { stderr } = await cluster.tryKubectl(["apply", "--dry-run=server", "-f", "-"], list);
					return (
						/Warning: kind: Keepmesh does not read Telemetry/.test(stderr) &&
						/Warning: .*not-there.*\[IST0101\]/.test(stderr)
					);
				});
				const { code, stderr } = await cluster.tryKubectl(["apply", "-f", "-"], list);
				assert.equal(code, 0, stderr);
			});

			it("let labels and finalizers of what is broken already go on, and its repair", async () => {
				const labelled = { ...broken, metadata: { name: "broken", labels: { a: "b" } } };
				await objects.change(labelled);
				assert.notEqual(await objects.refusalOf(another("broken-too")), "");
				await objects.replace({ ...broken, spec: routeTo("web") });
			});
		});

		const written = 'keepmesh_status_writes_total{outcome="written"}';
		const count = 150;

		it("write one status for each of many resources that come at once, and hardly more", async () => {
			const names = Array.from({ length: count }, (_, index) => `many-${index}`);
			const before = (await replicas[0]?.metric(written)) ?? 0;
			const startMs = performance.now();
			for (let at = 0; at < count; at += 20)
				await Promise.all(
					names.slice(at, at + 20).map((name) => objects.put(virtualService(name, routeTo("web", {}, `${name}.test`)))),
				);
			const madeMs = performance.now() - startMs;
			await until(
				"all have a status",
				async () => {
					const all = await objects.list(web);
					return all.filter(({ status }) => (status as Partial<ReadStatus>)?.applied === "3 of 3").length >= count;
				},
				180_000,
			);
			const writtenNow = async (): Promise<number> => ((await replicas[0]?.metric(written)) ?? 0) - before;
			// The server has a status before its writer has heard so, and counts it.
			await until("all are counted", async () => (await writtenNow()) >= count);
			const writes = await writtenNow();
			const tookMs = performance.now() - startMs;
			console.log({ resources: count, writes, madeMs: Math.round(madeMs), tookMs: Math.round(tookMs) });
			// One that came when its proxies had not confirmed it yet is written twice; besides, counts at their own pace.
			const most = count * 2 + 40 + (tookMs / 1000) * 20;
			assert.ok(writes <= most, `${writes} writes for ${count} resources`);
			assert.equal(await replicas[1]?.metric(written), 0);
		});

		it("go on with another leader, which writes nothing anew", async () => {
			const [leader, other] = replicas;
			assert.ok(leader && other);
			const later = virtualService("later", routeTo("web"));
			// Its proxy goes first: else all counts would change with it.
			proxies.shift()?.close();
			await until("all know", async () => {
				const all = await objects.list(web);
				return all.filter(({ status }) => (status as Partial<ReadStatus>)?.applied === "2 of 2").length >= count;
			});
			await leader.stop();
			await objects.put(later);
			await untilStatus(later, ({ observedGeneration }) => observedGeneration === 1);
			await until("it is counted", async () => (await other.metric(written)) >= 1);
			const writes = await other.metric(written);
			assert.ok(writes >= 1 && writes <= 20, `${writes} writes by the new leader`);
		});
	});
});

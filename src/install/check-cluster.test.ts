import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Finding } from "../host-check/setting.ts";
import { checkBefore, versionIn } from "./check-before.ts";
import { checkInstalled } from "./check-installed.ts";
import type { ClusterFacts } from "./cluster-facts.ts";
import { wellCluster, wellPart } from "./facts.testing.ts";

const wrong = (findings: readonly Finding[]): readonly string[] =>
	findings.filter(({ level }) => level !== "ok").map(({ id, level }) => `${level} ${id}`);
const empty: ClusterFacts = { ...wellCluster, control: [], agents: [], injectors: [], kinds: new Set() };

describe("a cluster before the installation", () => {
	const before = (change: Partial<ClusterFacts>, revision = "default"): readonly string[] =>
		wrong(checkBefore({ ...empty, ...change }, revision));

	it("is ready when nothing stands in the way", () => {
		assert.deepEqual(before({}), []);
	});

	it("must have native sidecars", () => {
		assert.deepEqual(before({ server: "v1.28.15+k3s1" }), ["must cluster.version"]);
		assert.deepEqual(before({ server: "v1.29.0-gke.1" }), []);
		assert.deepEqual(versionIn("v1.36.3"), { major: 1, minor: 36 });
	});

	it("must let the caller make what the charts have", () => {
		const [finding] = checkBefore({ ...empty, refused: ["create clusterroles"] }, "default").filter(
			({ level }) => level === "must",
		);
		assert.match(finding?.is ?? "", /create clusterroles/);
		assert.match(finding?.remedy ?? "", /cluster-admin/);
	});

	it("should have young kernels, on Linux nodes alone", () => {
		const [node] = wellCluster.nodes;
		assert.ok(node);
		assert.deepEqual(before({ nodes: [{ ...node, kernel: "5.4.0-150-generic" }] }), ["should cluster.kernel"]);
		assert.deepEqual(before({ nodes: [node, { ...node, name: "w1", os: "windows", kernel: "10.0.20348" }] }), []);
	});

	it("says which nodes are not ready", () => {
		const [node] = wellCluster.nodes;
		assert.ok(node);
		assert.deepEqual(before({ nodes: [{ ...node, isReady: false }] }), ["should cluster.nodes"]);
		assert.deepEqual(before({ nodes: [] }), ["must cluster.nodes"]);
	});

	it("must not have another mesh that takes the same pods", () => {
		const istio = { name: "istio-sidecar-injector", takesEnabled: true };
		assert.deepEqual(before({ otherInjectors: [istio] }), ["must cluster.injectors"]);
		assert.deepEqual(before({ otherInjectors: [istio] }, "keepmesh"), []);
		assert.deepEqual(before({ otherInjectors: [{ ...istio, takesEnabled: false }] }), []);
	});

	it("must not have a tag of the same name as the revision", () => {
		const [injector] = wellCluster.injectors;
		assert.ok(injector);
		const tag = { ...injector, isTag: true, revision: "1-1", chosenBy: "default" };
		assert.deepEqual(before({ injectors: [tag] }), ["must cluster.injectors"]);
		assert.deepEqual(before({ injectors: [tag] }, "1-1"), []);
	});

	it("may have the same installation already, but not one in another namespace", () => {
		const [injector] = wellCluster.injectors;
		assert.ok(injector);
		assert.deepEqual(before({ injectors: [injector] }), []);
		assert.deepEqual(before({ injectors: [{ ...injector, namespace: "other" }] }), ["must cluster.injectors"]);
	});

	it("should admit the privileged agents of the nodes", () => {
		assert.deepEqual(before({ podSecurity: "restricted" }), ["should cluster.pod-security"]);
		assert.deepEqual(before({ podSecurity: "privileged" }), []);
	});
});

describe("an installed mesh", () => {
	const after = (change: Partial<ClusterFacts>): readonly string[] =>
		wrong(checkInstalled({ ...wellCluster, ...change }));
	const [injector] = wellCluster.injectors;
	assert.ok(injector);

	it("is well when all of it runs", () => {
		assert.deepEqual(after({}), []);
	});

	it("is not there where there is no control plane", () => {
		assert.deepEqual(wrong(checkInstalled(empty)), ["must mesh.installed"]);
	});

	it("must have a control plane that is ready, and should have all of them", () => {
		assert.deepEqual(after({ control: [{ ...wellPart, ready: 0 }] }), ["must mesh.keepmesh-control"]);
		assert.deepEqual(after({ control: [{ ...wellPart, ready: 1 }] }), ["should mesh.keepmesh-control"]);
		assert.deepEqual(after({ control: [{ ...wellPart, updated: 1 }] }), ["should mesh.keepmesh-control"]);
	});

	it("must have an injector that API servers can reach and trust", () => {
		assert.deepEqual(after({ injectors: [{ ...injector, hasAuthority: false }] }), ["must mesh.injector.default"]);
		assert.deepEqual(after({ servedServices: new Set() }), ["must mesh.injector.default"]);
	});

	it("says that pods cannot start, or start unprotected, by the injector's policy", () => {
		const faultOf = (failurePolicy: string): string =>
			checkInstalled({
				...wellCluster,
				injectors: [{ ...injector, failurePolicy }],
				servedServices: new Set(),
			}).find(({ id }) => id === "mesh.injector.default")?.fault ?? "";
		assert.match(faultOf("Fail"), /no pod/);
		assert.match(faultOf("Ignore"), /without a proxy/);
	});

	it("should have two control planes where pods depend on one", () => {
		const control = [{ ...wellPart, wanted: 1, ready: 1, updated: 1 }];
		assert.deepEqual(after({ control }), ["should mesh.replicas.keepmesh-control"]);
		assert.deepEqual(after({ control, injectors: [{ ...injector, failurePolicy: "Ignore" }] }), []);
	});

	it("must know the revision or tag that a namespace names", () => {
		const shop = { name: "shop", wants: "prod", podsWith: 0, podsWithout: 0 };
		assert.deepEqual(after({ namespaces: [shop] }), ["must mesh.namespace.shop"]);
		const tag = { ...injector, name: "tag", chosenBy: "prod", isTag: true };
		assert.deepEqual(after({ namespaces: [shop], injectors: [injector, tag] }), []);
	});

	it("names namespaces whose pods were made before", () => {
		const shop = { name: "shop", wants: "default", podsWith: 1, podsWithout: 3 };
		const [finding] = checkInstalled({ ...wellCluster, namespaces: [shop] }).filter(({ level }) => level !== "ok");
		assert.equal(finding?.is, "3 of 4 without a proxy");
		assert.match(finding?.remedy ?? "", /rollout restart/);
	});

	it("should have a leader that says so", () => {
		assert.deepEqual(after({ leaders: [] }), ["should mesh.leader.default"]);
		const stale = { revision: "default", holder: "a", renewedMsAgo: 60_000, leaseMs: 15_000 };
		assert.deepEqual(after({ leaders: [stale] }), ["should mesh.leader.default"]);
	});

	it("should have a leader of each revision", () => {
		const canary = { ...wellPart, name: "keepmesh-control-1-1", revision: "1-1" };
		const control = [wellPart, canary];
		assert.deepEqual(after({ control }), ["should mesh.leader.1-1"]);
		const leaders = ["default", "1-1"].map((revision) => ({ revision, holder: "a", renewedMsAgo: 1, leaseMs: 15_000 }));
		assert.deepEqual(after({ control, leaders }), []);
	});

	it("must have agents, and says which proxies are of a revision that is gone", () => {
		assert.deepEqual(after({ agents: [] }), ["must mesh.agents"]);
		const proxies = [
			{ namespace: "shop", revision: "default", pods: 4 },
			{ namespace: "shop", revision: "1-0", pods: 2 },
		];
		assert.deepEqual(after({ proxies }), ["should mesh.proxies.shop.1-0"]);
	});

	it("should have the kinds", () => {
		assert.deepEqual(after({ kinds: new Set() }), ["should mesh.kinds"]);
	});

	it("notes that an upgrade is under way", () => {
		const agents = [{ ...wellPart, name: "keepmesh-node", version: "0.2.0" }];
		assert.deepEqual(after({ agents }), ["note mesh.versions"]);
	});
});

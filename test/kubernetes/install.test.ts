// From nothing to Bookinfo in the mesh, as the README has it: the real helm by `keepmesh install`, an unmodified sample, mutual TLS
// STRICT, a gateway at a virtual IP; then upgrade, tags, and everything taken away again.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { checkout, programsDirectory } from "../../cluster/cluster-paths.ts";
import { keepmeshImage } from "../../cluster/images/image-names.ts";
import { readLayers } from "../../cluster/images/image-recipes.ts";
import { keepmeshRecipe } from "../../cluster/images/keepmesh-image.ts";
import { mappedImages } from "../../cluster/images/mapped-images.ts";
import { envoyOf, isReady, keepmeshProcesses, metricsOf } from "../../cluster/keepmesh-processes.ts";
import { loadImage } from "../../cluster/load-image.ts";
import { planSetHere } from "../../cluster/plan-set.ts";
import { programDown, programUp } from "../../cluster/program-power.ts";
import { imageSources } from "../../cluster/set-up.ts";
import { isFollowedBy } from "../../cluster/start-cluster.ts";
import { repeat, succeed, typed } from "./administrator.ts";
import { type CommandOutcome, noCluster, openCluster, type TestCluster, until } from "./test-cluster.ts";
import { itHandsOver, itHasAnotherRevision } from "./two-revisions.ts";
import { everybodys, listeningPorts, missingRights, readAudit, unusedRights, usedSeldom } from "./used-rights.ts";

const theirs = join(checkout, "../shared/inputs/istio");
const sample = existsSync(theirs)
	? [join(theirs, "bookinfo-kube/bookinfo.yaml"), join(theirs, "bookinfo-networking/bookinfo-gateway.yaml")]
	: [join(checkout, "samples/bookinfo/bookinfo.yaml"), join(checkout, "samples/bookinfo/tour/gateway.yaml")];
const strict = join(checkout, "samples/bookinfo/tour/strict.yaml");
/** On a machine with too much to do. */
const patienceMs = 180_000;
const noHelm = existsSync(`${programsDirectory}/helm`) ? undefined : "Helm is not built";

const ours = "app.kubernetes.io/part-of=keepmesh";
describe("an installation on a cluster", { skip: noCluster ?? noHelm, timeout: 900_000 }, () => {
	let cluster: TestCluster;
	let address = "";
	const startedMs = Date.now();
	before(async () => {
		cluster = await openCluster();
		const layers = readLayers(imageSources);
		for (const image of [keepmeshRecipe(imageSources, layers), ...mappedImages(sample[0] ?? "", checkout, layers)])
			await loadImage(cluster.record, image);
	});
	after(async () => {
		if (!cluster) return;
		await cluster.close();
		const more = ["both", "tagged"].map((name) => `${cluster.namespace}-${name}`);
		await cluster.tryKubectl(["delete", "namespace", ...more, "--ignore-not-found", "--wait=false"]);
		await keepmesh("uninstall", "--purge", "--force");
	});

	const command = (...words: readonly string[]): Promise<CommandOutcome> => typed(cluster, words);
	const keepmesh = (...args: readonly string[]): Promise<CommandOutcome> => command("keepmesh", ...args);
	/** "200", or all that was said instead, its last three characters the code. */
	const pageFrom = async (host: string): Promise<string> => {
		const { stdout } = await command("curl", "--silent", "--max-time", "10", "--write-out", "%{http_code}", host);
		return stdout.endsWith("200") ? "200" : stdout;
	};

	it("is announced by the check, which finds a cluster ready and no mesh in it", async () => {
		assert.equal((await keepmesh("check", "--kubernetes", "--before-install")).code, 0);
		const { code, stderr } = await keepmesh("check", "--kubernetes");
		assert.equal(code, 1);
		assert.match(stderr, /next: keepmesh install/);
	});

	it("can be looked at before it is made", async () => {
		const yaml = await succeed(keepmesh("install", "--image", keepmeshImage, "--dry-run"));
		assert.match(yaml, /^kind: DaemonSet$/m);
		assert.equal((await cluster.tryKubectl(["get", "namespace", "keepmesh-system"])).code, 1);
	});

	it("runs all of its parts, and says so", async () => {
		const more = ["--set", "networkPolicy.enabled=true", "--set", "control.rootConfigMaps=true"];
		const pools = "vip.pools.edge.addresses={10.88.0.100-10.88.0.110}";
		const wanted = ["--image", keepmeshImage, "--gateway", "--set", "vip.enabled=true", "--set", pools, ...more];
		await succeed(keepmesh("install", ...wanted));
		await until("all well", async () => (await keepmesh("check", "--kubernetes")).code === 0, patienceMs);
	});

	it("puts an unmodified sample into the mesh, and its gateway at a virtual IP", async () => {
		await cluster.kubectl("label", "namespace", cluster.namespace, "istio-injection=enabled");
		await cluster.kubectl("apply", ...sample.flatMap((file) => ["-f", file]));
		const available = ["wait", "--for=condition=Available", "deployment", "--all", "--timeout=300s"];
		await succeed(command("kubectl", "--namespace", cluster.namespace, ...available));
		const service = ["get", "service", "istio-ingressgateway", "--namespace", "istio-ingress", "--output"];
		await until(
			"an address",
			async () => {
				address = await cluster.kubectl(...service, "jsonpath={.status.loadBalancer.ingress[0].ip}");
				return address !== "";
			},
			patienceMs,
		);
		await until("the page", async () => (await pageFrom(`http://${address}/productpage`)) === "200", patienceMs);
	});

	it("speaks mutual TLS alone where it is told to", async () => {
		const pod = (
			await cluster.kubectl("get", "pods", "-l", "app=details", "-o", "jsonpath={.items[0].status.podIP}")
		).trim();
		await cluster.kubectl("apply", "-f", strict);
		await until(
			"plaintext is refused",
			async () => (await pageFrom(`http://${pod}:9080/details/0`)) === "000",
			patienceMs,
		);
		assert.equal(await pageFrom(`http://${address}/productpage`), "200");
	});

	it("is asked through kubectl, in sync", async () => {
		const sidecars = new RegExp(`\\.${cluster.namespace} .*SYNCED`, "g");
		let table = "";
		await until(
			"all proxies in sync",
			async () => {
				table = (await command("kubectl", "keepmesh", "proxy-status")).stdout;
				return /^istio-ingressgateway-.*SYNCED/m.test(table) && table.match(sidecars)?.length === 6;
			},
			patienceMs,
		).catch((error: unknown) => assert.fail(`${error}\n${table}`));
	});

	it("tells other pods its health, and nothing else", async () => {
		const service = ["get", "service", "keepmesh-control", "--namespace", "keepmesh-system", "--output"];
		const ip = await cluster.kubectl(...service, "jsonpath={.spec.clusterIP}");
		const ask = (path: string): Promise<string> =>
			cluster.exec(
				"deploy/ratings-v1",
				"curl",
				"-s",
				"-o",
				"/dev/null",
				"-w",
				"%{http_code}",
				`http://${ip}:15014${path}`,
			);
		assert.equal(await ask("/healthz"), "200");
		assert.equal(await ask("/api/v1/resources"), "403");
	});

	it("has objects that the API server takes as they are, with high availability and everything else", async () => {
		const set =
			"global.image=i,networkPolicy.enabled=true,node.layer4.enabled=true,control.rootConfigMaps=true,revision=ha";
		const values = ["--values", join(checkout, "deploy/helm/keepmesh/values-ha.yaml"), "--set", set];
		const chart = join(checkout, "deploy/helm/keepmesh");
		const yaml = await succeed(command("helm", "template", "x", chart, "--namespace", "keepmesh-system", ...values));
		const flags = ["apply", "--dry-run=server", "--namespace", "keepmesh-system", "--filename", "-"];
		const taken = await succeed(cluster.tryKubectl(flags, yaml));
		assert.match(taken, /horizontalpodautoscaler.autoscaling\/keepmesh-control-ha created/);
		assert.match(taken, /poddisruptionbudget.policy\/keepmesh-control-ha created/);
	});

	it("has its roots in every meshed namespace where that is wanted", async () => {
		const roots = ["get", "configmap", "istio-ca-root-cert", "-o", "jsonpath={.data}"];
		await until("the roots", async () => /BEGIN CERT/.test((await cluster.tryKubectl(roots)).stdout), patienceMs);
	});

	it("listens on what its NetworkPolicy lets through, and on nothing else", async () => {
		const read = [
			"exec",
			"deploy/keepmesh-control",
			"-n",
			"keepmesh-system",
			"--",
			"cat",
			"/proc/net/tcp",
			"/proc/net/tcp6",
		];
		const open = listeningPorts(await cluster.kubectl(...read));
		assert.deepEqual(open, [15_012, 15_014, 15_017]);
	});

	it("goes on without an API server, and so does what has to start again meanwhile", async (context) => {
		const { record } = cluster;
		const planned = planSetHere(record).clusters[0];
		assert.ok(planned);
		const uid = await cluster.kubectl("get", "pods", "-l", "app=details", "-o", "jsonpath={.items[0].metadata.uid}");
		const parts = ["control", "node", "vip"] as const;
		const pids = (): readonly (readonly number[])[] => parts.map((part) => keepmeshProcesses(record, planned, part));
		const page = (): Promise<string> => pageFrom(`http://${address}/productpage`);
		await programDown(record, planned, "kube-apiserver");
		try {
			const before = pids();
			const envoy = envoyOf(record, planned, uid);
			assert.ok(envoy !== undefined && before.every((found) => found.length > 0), JSON.stringify(before));
			const killedMs = performance.now();
			for (const pid of [...before.flat(), envoy]) process.kill(pid, "SIGKILL");
			await until(
				"all of it runs again",
				async () => {
					const now = pids();
					const [controls = [], , owners = []] = now;
					const asked = [
						...controls.map((pid) => isReady("control", pid)),
						...owners.map((pid) => isReady("vip", pid)),
					];
					const isOther = now.every(
						(found, at) => found.length === before[at]?.length && !found.some((pid) => before[at]?.includes(pid)),
					);
					return isOther && (await Promise.all(asked)).every((is) => is) && (await page()) === "200";
				},
				patienceMs,
			);
			context.diagnostic(
				`all killed without an API server, and serving again: ${Math.round(performance.now() - killedMs)} ms`,
			);
			assert.notEqual(envoyOf(record, planned, uid), envoy);
			const answers: string[] = [];
			for (let at = 0; at < 20; at++) answers.push(await page());
			assert.deepEqual([...new Set(answers)], ["200"]);
		} finally {
			await programUp(record, planned, "kube-apiserver");
		}
		// What the API server has of anybody may be from before.
		const backMs = Date.now();
		await until(
			"kubelets and control planes follow it again",
			async () => {
				const nodes = planned.nodes.map(({ node }) => isFollowedBy(cluster.api, node, backMs));
				const controls = await Promise.all(keepmeshProcesses(record, planned, "control").map(metricsOf));
				const isFollowing = (metrics: readonly string[]): boolean =>
					["keepmesh_source_fresh 1", "keepmesh_source_restored 0"].every((line) => metrics.includes(line));
				const leaders = controls.filter((metrics) => metrics.includes("keepmesh_leader 1")).length;
				return controls.every(isFollowing) && leaders === 1 && (await Promise.all(nodes)).every((is) => is);
			},
			patienceMs,
		);
		await until("all well", async () => (await keepmesh("check", "--kubernetes")).code === 0, patienceMs);
	});

	let duringUpgrade: readonly string[] = [];

	it("is upgraded, and keeps its values", async () => {
		const end = new AbortController();
		const beganMs = performance.now();
		const ask = async (): Promise<string> => {
			const answer = await pageFrom(`http://${address}/productpage`);
			return answer === "200" ? answer : `after ${Math.round(performance.now() - beganMs)} ms: ${answer}`;
		};
		const load = repeat(ask, end.signal);
		const rounds = ["control.podAnnotations.round=two", "node.podAnnotations.round=two"];
		await succeed(keepmesh("upgrade", ...rounds.flatMap((one) => ["--set", one])));
		end.abort();
		duringUpgrade = await load;
		const kept = await cluster.kubectl("get", "daemonset,virtualippool", "-n", "keepmesh-system", "-o", "name");
		assert.match(kept, /keepmesh-vip[\s\S]*virtualippool[^\n]*edge/);
	});

	it("answers every request during the upgrade", () => {
		assert.ok(duringUpgrade.length > 5);
		assert.deepEqual(
			duringUpgrade.filter((answer) => answer !== "200"),
			[],
		);
	});

	itHasAnotherRevision(() => cluster);

	it("is refused what it needs not, and needs what it may", async () => {
		const roles = await cluster.kubectl("get", "clusterroles,roles", "-n", "keepmesh-system", "-l", ours, "-o", "json");
		const audit = readAudit(cluster, startedMs);
		assert.ok(audit.length > 200);
		const { items } = JSON.parse(roles) as { readonly items: Parameters<typeof unusedRights>[0] };
		const discovery = JSON.parse(
			await cluster.kubectl("get", "clusterrole", everybodys, "-o", "json"),
		) as (typeof items)[number];
		assert.deepEqual(missingRights([...items, discovery], audit), []);
		const seldom = unusedRights(items, audit).filter((right) => !usedSeldom.some((one) => right.endsWith(one)));
		assert.deepEqual(seldom, []);
	});

	itHandsOver(() => cluster);

	it("does not go while pods have proxies, unless it must; then nothing is left but the kinds", async () => {
		const refused = await keepmesh("uninstall", "--purge");
		assert.equal(refused.code, 1);
		assert.match(refused.stderr, /pods still have proxies/);
		await cluster.kubectl("delete", ...sample.flatMap((file) => ["-f", file]), "-f", strict, "--wait=false");
		await cluster.kubectl("label", "namespace", cluster.namespace, "istio-injection-");
		await succeed(keepmesh("uninstall", "--purge", "--force"));
		const kinds =
			"clusterroles,clusterrolebindings,mutatingwebhookconfigurations,validatingwebhookconfigurations,namespaces";
		assert.equal(await cluster.kubectl("get", kinds, "-l", ours, "-o", "name"), "");
		assert.match(await cluster.kubectl("get", "crd", "-o", "name"), /virtualips\.keepmesh\.io/);
	});
});

// Two revisions of the mesh beside each other in one installation: what install.test.ts does with them, in order. In: the cluster, on
// which revision default is installed and the sample's Deployment details-v1 runs.

import assert from "node:assert/strict";
import { it } from "node:test";
import { keepmeshImage } from "../../cluster/images/image-names.ts";
import { repeat, succeed, typed } from "./administrator.ts";
import { strictIn, workload } from "./revision-objects.ts";
import { type CommandOutcome, type TestCluster, until } from "./test-cluster.ts";

/** On a machine with too much to do. */
const patienceMs = 180_000;

function stage(given: () => TestCluster) {
	const cluster: Pick<TestCluster, "kubectl" | "tryKubectl"> = {
		kubectl: (...args) => given().kubectl(...args),
		tryKubectl: (args, input) => given().tryKubectl(args, input),
	};
	const command = (...words: readonly string[]): Promise<CommandOutcome> => typed(given(), words);
	const keepmesh = (...args: readonly string[]): Promise<CommandOutcome> => command("keepmesh", ...args);
	/** With pods of both. */
	const both = (): string => `${given().namespace}-both`;
	const tagged = (): string => `${given().namespace}-tagged`;
	/** "200", or all that was said instead. */
	const from = async (pod: string, url: string): Promise<string> => {
		const ask = ["exec", pod, "-n", both(), "-c", "app", "--", "curl", "-si", "-m10", "-w", "\n%{http_code}", url];
		let { code, stderr, stdout } = await cluster.tryKubectl(ask);
		// It was kubectl that failed: nothing was asked.
		if (code !== 0 && stdout === "") ({ code, stderr, stdout } = await cluster.tryKubectl(ask));
		return stdout.endsWith("\n200") ? "200" : `${new Date().toISOString()}: ${stdout.trim()}: ${code} ${stderr.trim()}`;
	};
	const applyIn = async (namespace: string, ...items: readonly object[]): Promise<void> => {
		const list = JSON.stringify({ apiVersion: "v1", kind: "List", items });
		await succeed(cluster.tryKubectl(["apply", "--namespace", namespace, "-f", "-"], list));
	};
	return { cluster, command, keepmesh, both, tagged, from, applyIn };
}

export function itHasAnotherRevision(given: () => TestCluster): void {
	const { cluster, command, keepmesh, both, tagged, from, applyIn } = stage(given);

	/** The leader has let the API server know who signed the tag's webhooks. */
	const authorityOf = (tag: string): Promise<void> =>
		until(
			"the tag's authority",
			async () => {
				const name = `keepmesh-tag-${tag}-keepmesh-system`;
				const path = "jsonpath={.webhooks[*].clientConfig.caBundle}";
				return (await cluster.kubectl("get", "mutatingwebhookconfiguration", name, "-o", path)) !== "";
			},
			patienceMs,
		);

	/** Of its pods' proxies. */
	const revisionsIn = async (namespace: string): Promise<readonly string[]> => {
		const path = "jsonpath={.items[*].metadata.annotations.istio\\.io/rev}";
		return (await cluster.kubectl("get", "pods", "-n", namespace, "-o", path)).split(" ");
	};

	it("has another revision beside it, whose pods are served by its own control planes", async () => {
		await succeed(keepmesh("install", "--revision", "1-1", "--image", keepmeshImage, "--set", "control.replicas=1"));
		const path = "jsonpath={.spec.template.spec.containers[0].image}";
		const image = await cluster.kubectl("get", "deployment", "details-v1", "-o", path);
		await cluster.kubectl("create", "namespace", both());
		const objects = ["default", "1-1"].flatMap((revision) =>
			workload(`of-${revision}`, { image, namespace: both(), revision }),
		);
		await applyIn(both(), ...objects, strictIn(both()));
		const available = ["wait", "--for=condition=Available", "deployment", "--all", "--timeout=300s"];
		await succeed(command("kubectl", "--namespace", both(), ...available));
		for (const [caller, called] of [
			["default", "1-1"],
			["1-1", "default"],
		])
			await until(
				`${caller} calls ${called}`,
				async () => (await from(`deploy/of-${caller}`, `http://of-${called}:9080/details/0`)) === "200",
				patienceMs,
			);
		let table = "";
		await until(
			"each has its own",
			async () => {
				table = (await keepmesh("proxy-status", "--kubernetes")).stdout;
				return (
					/^of-default-.* keepmesh-control-(?!1-1)/m.test(table) && /^of-1-1-.* keepmesh-control-1-1-/m.test(table)
				);
			},
			patienceMs,
		).catch((error: unknown) => assert.fail(`${error}\n${table}`));
	});

	it("moves a tag to another revision, and pods follow as they are made anew, without a lost request", async () => {
		const space = tagged();
		const path = "jsonpath={.spec.template.spec.containers[0].image}";
		const image = await cluster.kubectl("get", "deployment", "details-v1", "-o", path);
		await succeed(keepmesh("tag", "set", "prod", "--revision", "default"));
		await authorityOf("prod");
		await cluster.kubectl("create", "namespace", space);
		await cluster.kubectl("label", "namespace", space, "istio.io/rev=prod");
		await applyIn(space, ...workload("web", { image, namespace: space }), strictIn(space));
		const rolledOut = ["rollout", "status", "deployment", "web", "-n", space, "--timeout=300s"];
		await cluster.kubectl(...rolledOut);
		assert.deepEqual(await revisionsIn(space), ["default"]);
		assert.equal((await keepmesh("tag", "set", "prod", "--revision", "1-1")).code, 1, "it points at another");
		await succeed(keepmesh("tag", "set", "prod", "--revision", "1-1", "--overwrite"));
		await authorityOf("prod");
		const end = new AbortController();
		const url = `http://web.${space}:9080/details/0`;
		await until("it answers", async () => (await from("deploy/of-default", url)) === "200", patienceMs);
		const load = repeat(() => from("deploy/of-default", url), end.signal);
		await cluster.kubectl("rollout", "restart", "deployment", "web", "-n", space);
		await cluster.kubectl(...rolledOut);
		await until("the old one is gone", async () => (await revisionsIn(space)).join() === "1-1", patienceMs);
		end.abort();
		const answers = await load;
		assert.ok(answers.length > 3);
		assert.deepEqual(
			answers.filter((answer) => answer !== "200"),
			[],
		);
		assert.equal((await keepmesh("tag", "remove", "prod")).code, 1, "a namespace says it");
	});
}

export function itHandsOver(given: () => TestCluster): void {
	const { cluster, keepmesh, both, tagged, from } = stage(given);

	it("hands the nodes over to the other revision and goes, and pods of both go on", async () => {
		const used = await keepmesh("uninstall", "--revision", "default");
		assert.equal(used.code, 1);
		assert.match(used.stderr, /pods still have proxies of revision default/);
		await succeed(keepmesh("upgrade", "--set", "node.enabled=false"));
		assert.match((await keepmesh("check", "--kubernetes")).stdout, /agents of the nodes +none/);
		await succeed(keepmesh("upgrade", "--revision", "1-1", "--set", "node.enabled=true"));
		await succeed(keepmesh("uninstall", "--revision", "default", "--force"));
		const check = await keepmesh("check", "--kubernetes");
		assert.match(check.stdout, new RegExp(`must +namespace ${given().namespace} +istio-injection=enabled`));
		assert.match(check.stdout, new RegExp(`should +proxies of ${both()} +1 of revision default`));
		await succeed(keepmesh("tag", "set", "default", "--revision", "1-1"));
		await until(
			"those of the revision that is gone are served by the other",
			async () =>
				/^of-default-.*SYNCED.* keepmesh-control-1-1-/m.test((await keepmesh("proxy-status", "--kubernetes")).stdout),
			patienceMs,
		);
		assert.equal(await from("deploy/of-default", "http://of-1-1:9080/details/0"), "200");
		assert.equal(await from("deploy/of-1-1", "http://of-default:9080/details/0"), "200");
		for (const name of [both(), tagged()]) await cluster.kubectl("delete", "namespace", name, "--wait=false");
	});
}

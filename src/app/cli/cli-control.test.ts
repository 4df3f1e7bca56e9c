// The command line against a control plane over files, with a client that takes what it sends.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { typeUrls } from "../../xds/resource.ts";
import { ControlRig, type DeltaClient } from "../control.testing.ts";
import { bad, good, keepmesh, type Outcome } from "./cli.testing.ts";

describe("keepmesh against a control plane", () => {
	const rig = new ControlRig();
	let client: DeltaClient;
	let env: NodeJS.ProcessEnv = {};
	before(async () => {
		rig.write("reviews.yaml", good);
		await rig.start();
		env = { KEEPMESH_API: rig.apiUrl };
		client = rig.connect("sidecar~10.1.0.5~client-1.default~default.svc.cluster.local");
		await client.until(() => client.names(typeUrls.route).length > 0, "routes");
	});
	after(() => rig.close());
	const run = (...args: string[]): Promise<Outcome> => keepmesh(args, { env });

	it("shows the mesh on one screen", async () => {
		const { code, stdout } = await run("status");
		assert.equal(code, 0);
		assert.match(stdout, /control plane test .*\n.* resources: 1 Service.*\n.* proxies: 1 of 1 in sync/);
		assert.ok(!stdout.includes("\u001b"), "no colour where no terminal is");
	});

	it("shows what one of several addresses knows when another does not answer, and names that one", async () => {
		const { code, stdout, stderr } = await run("proxy-status", "--api", `${rig.apiUrl},http://127.0.0.1:3`);
		assert.equal(code, 0);
		assert.match(stdout, /client-1\.default/);
		assert.match(stderr, /^http:\/\/127\.0\.0\.1:3 does not answer \(ECONNREFUSED\)/);
	});

	it("lists proxies in istioctl's columns", async () => {
		const { stdout } = await run("proxy-status");
		assert.match(
			stdout,
			/^NAME +CLUSTER +CDS +LDS +EDS +RDS +SDS +CONTROL +VERSION +AGE +LAST REJECT\nclient-1\.default +Kubernetes +SYNCED +SYNCED +SYNCED +SYNCED/,
		);
	});

	it("gets resources as a table, names, YAML and JSON", async () => {
		assert.match(
			(await run("get", "svc")).stdout,
			/^NAME +ACCEPTED +APPLIED +REJECTED +AGE\nreviews +yes +1 of 1 +0 +-\n$/,
		);
		assert.equal((await run("get", "services", "-A", "-o", "name")).stdout, "service/reviews\n");
		assert.match((await run("get", "service", "reviews", "-o", "yaml")).stdout, /^apiVersion: v1\nkind: Service\n/);
		const one = JSON.parse((await run("get", "service", "reviews", "-o", "json")).stdout) as { kind: string };
		assert.equal(one.kind, "Service");
		const none = await run("get", "vs");
		assert.deepEqual([none.code, none.stdout], [0, ""]);
		assert.equal((await run("get", "vs", "nothing")).code, 1);
	});

	it("splits traffic with canary, and says when the proxies do so", async () => {
		const dry = await run("canary", "reviews", "v1=90", "v2=10", "--dry-run");
		assert.match(dry.stdout, /kind: DestinationRule[\s\S]*kind: VirtualService/);
		assert.equal((await run("get", "vs")).stdout, "", "a dry run changes nothing");
		const done = await run("canary", "reviews", "v1=90", "v2=10");
		assert.equal(done.code, 0, done.stderr);
		assert.equal(done.stdout, "destinationrule/reviews created\nvirtualservice/reviews created\n");
		assert.match(done.stderr, /applied on 1 of 1 proxies/);
		assert.match(client.text("9080"), /outbound\|9080\|v2\|reviews/);
		const missing = await run("canary", "nothing", "v1=100");
		assert.equal(missing.code, 1);
	});

	it("describes a service with its rules", async () => {
		const { code, stdout } = await run("describe", "svc/reviews");
		assert.equal(code, 0);
		assert.match(
			stdout,
			/Applied: {4}on 1 of 1 proxies[\s\S]*Rules:\n[\s\S]*VirtualService default\/reviews, applied on 1 of 1/,
		);
	});

	it("shows a proxy's configuration as tables and JSON", async () => {
		const table = await run("proxy-config", "clusters", "client-1");
		assert.match(
			table.stdout,
			/^SERVICE FQDN +PORT +SUBSET +DIRECTION +TYPE\n[\s\S]*reviews\.default\.svc\.cluster\.local +9080 +v2 +outbound +EDS/,
		);
		const routes = await run("proxy-config", "route", "client-1.default");
		assert.match(routes.stdout, /v1\|reviews\.default\.svc\.cluster\.local 90, /);
		const json = await run("proxy-config", "all", "client-1", "-o", "json");
		assert.ok((JSON.parse(json.stdout) as { listeners: unknown[] }).listeners.length > 0);
		assert.equal((await run("proxy-config", "all", "nobody")).code, 1);
	});

	it("applies from standard input, refuses what is wrong, deletes", async () => {
		const text = good.replaceAll("reviews", "ratings");
		const applied = await keepmesh(["apply", "-f", "-"], { env, stdin: text });
		assert.deepEqual([applied.code, applied.stdout], [0, "service/ratings created\n"]);
		const refused = await keepmesh(["apply", "-f", "-"], { env, stdin: bad });
		assert.deepEqual([refused.code, refused.stdout], [65, ""]);
		assert.match(refused.stderr, /spec\.http\[0\]\.timeout[\s\S]*nothing was applied/);
		const deleted = await run("delete", "svc", "ratings");
		assert.deepEqual([deleted.code, deleted.stdout], [0, "service/ratings deleted\n"]);
		assert.equal((await run("delete", "svc", "ratings")).code, 1);
		assert.equal((await run("delete", "svc", "ratings", "--ignore-not-found")).code, 0);
	});
});

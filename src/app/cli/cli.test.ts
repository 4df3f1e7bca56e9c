// The command line as it is typed: exit codes, what goes to which stream, and the next thing to type.

import assert from "node:assert/strict";
import { execFile, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { typeUrls } from "../../xds/resource.ts";
import { ControlRig, type DeltaClient } from "../control.testing.ts";

const program = fileURLToPath(new URL("../../../bin/keepmesh.ts", import.meta.url));

const launcher = fileURLToPath(new URL("../../../keepmesh", import.meta.url));

function otherUserCannotRead(): string | false {
	if (process.getuid?.() !== 0) return "needs root, to be another user";
	const look = spawnSync("test", ["-x", launcher], { uid: 65_534, gid: 65_534 });
	return look.status === 0 ? false : "the checkout is not readable for others";
}

interface Outcome {
	readonly code: number;
	readonly stdout: string;
	readonly stderr: string;
}

function keepmesh(
	args: readonly string[],
	options: { stdin?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Outcome> {
	return new Promise((done) => {
		const env = { ...process.env, KEEPMESH_API: "", ...options.env };
		const spawnOptions = { env, timeout: 20_000 };
		const child = execFile(
			process.execPath,
			["--no-warnings", program, ...args],
			spawnOptions,
			(error, stdout, stderr) => {
				done({ code: error ? Number(error.code) : 0, stdout, stderr });
			},
		);
		child.stdin?.end(options.stdin ?? "");
	});
}

const good =
	"apiVersion: v1\nkind: Service\nmetadata: {name: reviews}\nspec:\n  ports:\n  - {name: http, port: 9080}\n";
const bad = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - timeout: soon
    route:
    - destination: {host: reviews}
      weight: 50
    - destination: {host: reviews}
      weigth: 60
`;

describe("keepmesh", () => {
	let directory = "";
	before(() => {
		directory = mkdtempSync(join(tmpdir(), "keepmesh-cli-"));
		writeFileSync(join(directory, "good.yaml"), good);
		writeFileSync(join(directory, "bad.yaml"), bad);
	});
	after(() => rmSync(directory, { recursive: true, force: true }));
	const path = (name: string): string => join(directory, name);

	it("without a command lists them all, and calls that wrong usage", async () => {
		const { code, stdout, stderr } = await keepmesh([]);
		assert.deepEqual([code, stdout], [64, ""]);
		for (const name of ["control", "validate", "canary", "proxy-status"])
			assert.match(stderr, new RegExp(`^  ${name} `, "m"));
	});

	it("prints help to stdout when asked", async () => {
		for (const args of [["--help"], ["help"], ["help", "get"], ["get", "--help"]]) {
			const { code, stdout, stderr } = await keepmesh(args);
			assert.deepEqual([code, stderr], [0, ""], args.join(" "));
			assert.match(stdout, /Usage: keepmesh/);
		}
	});

	it("guesses the command that was meant", async () => {
		const { code, stderr } = await keepmesh(["validte"]);
		assert.equal(code, 64);
		assert.match(stderr, /there is no command "validte"; did you mean "validate"\?\nnext: keepmesh validate --help/);
	});

	it("ends every wrong use with 64 and the next thing to type", async () => {
		const uses = [
			["validate"],
			["validate", "-f", "x", "--nonsense"],
			["get"],
			["get", "virtualservise"],
			["get", "vs", "-o", "xml"],
			["canary", "reviews", "v1=90", "v2=11"],
			["control", "--resources", directory],
			["control", "--resources", directory, "--insecure-xds", "nonsense"],
			["proxy-config", "lissteners", "x"],
			["generate", "-f", directory, "--proxy", "nonsense"],
			["delete"],
			["completion", "tcsh"],
		];
		const outcomes = await Promise.all(uses.map((args) => keepmesh(args)));
		for (const [index, { code, stdout, stderr }] of outcomes.entries()) {
			const what = `keepmesh ${uses[index]?.join(" ")}: ${stderr}`;
			assert.equal(code, 64, what);
			assert.equal(stdout, "", what);
			assert.match(stderr, /\nnext: .*keepmesh/, what);
		}
	});

	it("prints its versions, as JSON if asked", async () => {
		const { code, stdout } = await keepmesh(["version", "-o", "json"]);
		assert.equal(code, 0);
		assert.deepEqual(Object.keys(JSON.parse(stdout) as object), ["keepmesh", "node", "envoy"]);
	});

	it("validates good files with 0", async () => {
		const { code, stdout, stderr } = await keepmesh(["validate", "-f", path("good.yaml")]);
		assert.deepEqual([code, stdout, stderr], [0, "", "1 good resource in 1 file, 0 errors, 0 warnings\n"]);
	});

	it("validates bad files with 65 and every problem, with its line", async () => {
		const { code, stdout, stderr } = await keepmesh(["validate", "-f", path("bad.yaml")]);
		assert.equal(code, 65);
		assert.match(stdout, /bad\.yaml:7:\d+ {2}error {2}VirtualService default\/reviews {2}spec\.http\[0\]\.timeout/);
		assert.match(stdout, /bad\.yaml:12:\d+ {2}error .*weigth/);
		assert.match(stderr, /next: .*keepmesh validate -f/);
	});

	it("validates a directory and standard input, as JSON alone on stdout", async () => {
		const { code, stdout } = await keepmesh(["validate", "-f", directory, "-f", "-", "-o", "json"], { stdin: good });
		assert.equal(code, 65);
		const answer = JSON.parse(stdout) as {
			valid: boolean;
			files: number;
			problems: { severity: string; path: string }[];
		};
		assert.deepEqual([answer.valid, answer.files], [false, 3]);
		assert.ok(answer.problems.some((problem) => problem.path === "spec.http[0].timeout"));
	});

	it("calls references to what is not in the files warnings", async () => {
		const rule = bad.replace("soon", "1s").replace("weigth: 60", "weight: 50");
		const { code, stdout } = await keepmesh(["validate", "-f", "-"], { stdin: rule });
		assert.equal(code, 0);
		assert.match(stdout, /warning .*\[IST0101\]/s);
	});

	it("says 66 about a file that is not there", async () => {
		const { code, stderr } = await keepmesh(["validate", "-f", path("nothing.yaml")]);
		assert.equal(code, 66);
		assert.match(stderr, /there is no .*nothing\.yaml\nnext: ls /);
	});

	it("outlives a YAML bomb and a file that is no text", async () => {
		const bomb = Array.from({ length: 30 }, (_, i) => `a${i}: &a${i} [${i ? `*a${i - 1}, *a${i - 1}` : "x"}]`).join(
			"\n",
		);
		writeFileSync(path("bomb.yaml"), bomb);
		writeFileSync(path("binary.yaml"), Buffer.from([0, 255, 1, 254]));
		for (const name of ["bomb.yaml", "binary.yaml"]) {
			const { code, stdout } = await keepmesh(["validate", "-f", path(name)]);
			assert.equal(code, 65, name);
			assert.match(stdout, new RegExp(`${name}:1:1 {2}error`));
			rmSync(path(name));
		}
	});

	it("is started by a user who may not write into the checkout", { skip: otherUserCannotRead() }, () => {
		const { status, stdout, stderr } = spawnSync(launcher, ["version"], { uid: 65_534, gid: 65_534, encoding: "utf8" });
		assert.equal(status, 0, stderr);
		assert.match(stdout, /^keepmesh /);
	});

	it("refuses metadata that is no object", async () => {
		writeFileSync(path("list.json"), "[1]");
		const id = "sidecar~10.1.0.5~a.b~b.svc.cluster.local";
		const run = await keepmesh(["generate", "-f", path("good.yaml"), "--proxy", id, "--metadata", path("list.json")]);
		assert.deepEqual([run.code, run.stdout], [65, ""]);
		assert.match(run.stderr, /holds no object/);
	});

	it("generates offline all that one proxy would get", async () => {
		const id = "sidecar~10.1.0.5~client-1.default~default.svc.cluster.local";
		const { code, stdout } = await keepmesh(["generate", "-f", path("good.yaml"), "--proxy", id]);
		assert.equal(code, 0);
		const answer = JSON.parse(stdout) as Record<string, { name?: string }[]>;
		assert.deepEqual(Object.keys(answer), ["proxy", "clusters", "endpoints", "listeners", "routes", "secrets"]);
		const name = "outbound|9080||reviews.default.svc.cluster.local";
		assert.ok(answer.clusters?.some((cluster) => cluster.name === name));
		assert.ok(
			stdout.includes('"@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager'),
		);
		const yaml = await keepmesh(["generate", "-f", path("good.yaml"), "--proxy", id, "-o", "yaml"]);
		assert.match(yaml.stdout, /^clusters:$/m);
	});

	it("generates what is good of files with errors, and says 65", async () => {
		const id = "sidecar~10.1.0.5~client-1.default~default.svc.cluster.local";
		const { code, stdout, stderr } = await keepmesh(["generate", "-f", directory, "--proxy", id]);
		assert.equal(code, 65);
		assert.ok(JSON.parse(stdout));
		assert.match(stderr, /spec\.http\[0\]\.timeout/);
	});

	it("says 69 when no control plane answers, and how to start one", async () => {
		for (const command of [["status"], ["get", "vs"], ["proxy-status"], ["apply", "-f", path("good.yaml")]]) {
			const { code, stdout, stderr } = await keepmesh([...command, "--api", "http://127.0.0.1:3"]);
			assert.deepEqual([code, stdout], [69, ""], command.join(" "));
			assert.match(
				stderr,
				/no control plane answers at http:\/\/127\.0\.0\.1:3 .*ECONNREFUSED\nnext: keepmesh control/,
			);
		}
	});

	it("says what to do when a port is taken", async () => {
		const rig = new ControlRig();
		await rig.start();
		const taken = new URL(rig.apiUrl).host;
		const args = ["control", "--resources", directory, "--insecure-xds", "127.0.0.1:0", "--api", taken];
		const { code, stderr } = await keepmesh(args);
		await rig.close();
		assert.equal(code, 69);
		assert.match(stderr, /is taken by another process\nnext: ss -ltnp/);
	});

	it("runs a control plane without root rights of its own, logs JSON lines, and ends with 0 on SIGTERM", async () => {
		const data = path("data");
		const socket = path("xds.sock");
		const args = ["control", "--resources", directory, "--data", data, "--xds-socket", socket, "--api", "127.0.0.1:0"];
		const child = spawn(process.execPath, ["--no-warnings", program, ...args], { stdio: ["ignore", "pipe", "pipe"] });
		let log = "";
		let stdout = "";
		child.stdout.on("data", (chunk) => {
			stdout += chunk;
		});
		await new Promise<void>((done) => {
			child.stderr.on("data", (chunk) => {
				log += chunk;
				if (log.includes("control plane ready")) done();
			});
		});
		const ended = new Promise<number | null>((done) => child.once("exit", done));
		child.kill("SIGTERM");
		assert.equal(await ended, 0);
		assert.equal(stdout, "");
		const lines = log
			.trim()
			.split("\n")
			.map((line) => JSON.parse(line) as { msg: string; level: string });
		for (const msg of [
			"resource problem",
			"resources read",
			"xds listens",
			"control plane ready",
			"control plane stopped",
		]) {
			assert.ok(
				lines.some((line) => line.msg === msg),
				`no line says "${msg}"`,
			);
		}
		rmSync(data, { recursive: true });
	});

	it("prints completion scripts that the shells accept", async () => {
		const { code, stdout } = await keepmesh(["completion", "bash"]);
		assert.equal(code, 0);
		const script = `${stdout}\nCOMP_WORDS=(keepmesh proxy-st); COMP_CWORD=1; _keepmesh; echo "$COMPREPLY"\n`;
		const answer = await new Promise<string>((done) => {
			const child = execFile("bash", ["-s"], (_error, out) => done(out.trim()));
			child.stdin?.end(script);
		});
		assert.equal(answer, "proxy-status");
	});
});

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

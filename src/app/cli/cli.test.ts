// The command line as it is typed: exit codes, what goes to which stream, and the next thing to type.

import assert from "node:assert/strict";
import { execFile, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { ControlRig } from "../control.testing.ts";
import { bad, good, keepmesh, program } from "./cli.testing.ts";

const launcher = fileURLToPath(new URL("../../../keepmesh", import.meta.url));

function otherUserCannotRead(): string | false {
	if (process.getuid?.() !== 0) return "needs root, to be another user";
	const look = spawnSync("test", ["-x", launcher], { uid: 65_534, gid: 65_534 });
	return look.status === 0 ? false : "the checkout is not readable for others";
}

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

	it("says 69 when what answers breaks the connection off, as a control plane does that restarts", async () => {
		const breaking = createServer((socket) => socket.once("data", () => socket.destroy()));
		await new Promise<void>((done) => breaking.listen(0, "127.0.0.1", done));
		const url = `http://127.0.0.1:${(breaking.address() as AddressInfo).port}`;
		const { code, stderr } = await keepmesh(["status", "--api", url]);
		breaking.close();
		assert.equal(code, 69);
		assert.match(stderr, /no control plane answers at .*: it closed the connection\nnext: /);
	});

	it("says what to do when there is no such lab, or no URL", async () => {
		const lab = await keepmesh(["status", "--lab", "no-such-lab"]);
		assert.equal(lab.code, 69);
		assert.match(lab.stderr, /there is no lab no-such-lab\nnext: keepmesh lab up --name no-such-lab/);
		assert.equal((await keepmesh(["status", "--api", "localhost:15014"])).code, 64);
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

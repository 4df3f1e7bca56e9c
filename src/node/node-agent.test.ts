// The agent as a process of its own, with real Envoys in real namespaces, seen through its API on the Unix socket.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants, copyFileSync, mkdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { readRedirect } from "../kernel/namespace-redirect.ts";
import { typeUrls } from "../xds/resource.ts";
import { program, useAgent } from "./agent-fixture.testing.ts";
import { cannotRun, envoyBinary } from "./namespace-rig.testing.ts";

describe("the node agent", { skip: cannotRun }, () => {
	const a = useAgent();
	const { call, startAgent, killAgent, describePod, kill, get, until } = a;
	const outsideReady = async () => (await get(a.client, a.pod.ip, 15_021, "/healthz/ready")).status === 200;

	it("answers a new pod only when its proxy is ready, and says how it is", async () => {
		const answer = await call("POST", "/v1/pods", describePod());
		assert.equal(answer.status, 201, JSON.stringify(answer.body));
		assert.equal(answer.body.phase, "ready");
		assert.deepEqual(a.control.nodes.at(-1), "sidecar~10.77.0.3~app-1.default~default.svc.cluster.local");
		assert.match((await get(a.client, a.pod.ip, 8080)).body ?? "", /"remoteAddress":"127.0.0.6"/);
		assert.equal((await get(a.pod, a.client.ip, 9090)).status, 200);
		assert.equal((await get(a.client, a.pod.ip, 15_021, "/healthz/ready")).status, 200);
		const envoy = readFileSync(`/proc/${answer.body.pid}/status`, "utf8");
		assert.match(envoy, /Uid:\t1337\t1337/);
		assert.match(envoy, /CapEff:\t0000000000001000/);
	});

	it("is idempotent: the same pod again is answered at once by the same Envoy", async () => {
		const first = await call("POST", "/v1/pods", describePod());
		const second = await call("POST", "/v1/pods", describePod());
		assert.deepEqual([first.status, second.status, second.body.pid], [201, 200, first.body.pid]);
		const other = await call("POST", "/v1/pods", describePod({ ip: "10.77.0.9" }));
		assert.equal(other.status, 409);
	});

	it("keeps a proxy unready, inside and outside, until clusters and listeners have come", async () => {
		a.control.hold(typeUrls.listener);
		const lacksListeners = /INITIALIZING|no listeners/;
		await call("POST", "/v1/pods?wait=false", describePod());
		await until("it says what it lacks", async () =>
			lacksListeners.test((await call("GET", "/v1/pods/app-1")).body.because ?? ""),
		);
		const answer = await call("POST", "/v1/pods?timeoutSeconds=0.2", describePod());
		assert.equal(answer.status, 504);
		assert.match(answer.body.because ?? "", lacksListeners);
		assert.notEqual((await get(a.client, a.pod.ip, 15_021, "/healthz/ready")).status, 200);
		a.control.release();
		await until("ready", async () => (await call("GET", "/v1/pods/app-1")).body.ready);
		// Envoy is told when the API says so.
		await until("ready outside", outsideReady);
	});

	it("names what Envoy refuses of its first configuration", async () => {
		a.control.spoil(true);
		await call("POST", "/v1/pods?wait=false", describePod());
		const refused = /^Envoy has refused its first listeners: .*broken/;
		await until("refused", async () => {
			const { because = "", servingBecause = "" } = (await call("GET", "/v1/pods/app-1")).body;
			return refused.test(because) && refused.test(servingBecause);
		});
		assert.equal((await call("GET", "/v1/pods/app-1")).body.servingStep, "closed");
		a.control.spoil(false);
	});

	it("starts a crashed Envoy again", async () => {
		const { body } = await call("POST", "/v1/pods", describePod());
		kill(body.pid);
		await until("another Envoy", async () => {
			const now = (await call("GET", "/v1/pods/app-1")).body;
			return now.ready && now.pid !== body.pid;
		});
		assert.equal((await get(a.client, a.pod.ip, 8080)).status, 200);
		// Envoy is told when the API says so.
		await until("ready outside", outsideReady);
	});

	it("serves Envoy's and the application's metrics as one on 15020", async () => {
		await call("POST", "/v1/pods", describePod());
		const { body = "", status } = await get(a.client, a.pod.ip, 15_020, "/stats/prometheus");
		assert.equal(status, 200, body);
		assert.match(body, /^envoy_server_live\{\} 1$/m);
		assert.match(body, /^app_requests\{name="app"\} 7$/m);
		assert.doesNotMatch(body, /# EOF/);
		assert.match((await get(a.client, a.pod.ip, 15_090, "/stats/prometheus")).body ?? "", /envoy_server_live/);
	});

	it("serves Envoy's metrics alone when the application does not answer", async () => {
		const annotations = { "prometheus.io/scrape": "true", "prometheus.io/port": "8999" };
		await call("POST", "/v1/pods", describePod({ annotations }));
		const { body = "" } = await get(a.client, a.pod.ip, 15_020, "/stats/prometheus");
		assert.match(body, /^envoy_server_live\{\} 1$/m);
		assert.match(body, /# keepmesh: a source answered 503/);
	});

	it("puts a machine without pods into the mesh", async () => {
		const machine = a.rig.addHost("vm", "10.77.0.4");
		await machine.run({ op: "serveHttp", port: 8080, name: "legacy" });
		await machine.run({ op: "serveControl", port: 15_010 });
		const control = ["--control", "127.0.0.1:15010", "--insecure-control"];
		const flags = ["--node", "vm1", "--state", `${a.state}-vm`, ...control, "--envoy", envoyBinary];
		const own = ["--proxy", "sidecar", "--ip", machine.ip, "--labels", "app=legacy,version=v1", "--stop-proxies"];
		const command = [process.execPath, "--no-warnings", program, "node", ...flags, ...own];
		const running = spawn("nsenter", [`--net=${machine.netns}`, "--", ...command], { stdio: "ignore" });
		await until("inbound through Envoy", async () =>
			((await get(a.client, machine.ip, 8080)).body ?? "").includes('"remoteAddress":"127.0.0.6"'),
		);
		await until("ready", async () => (await get(a.client, machine.ip, 15_021, "/healthz/ready")).status === 200);
		assert.equal((await get(machine, a.client.ip, 9090)).status, 200);
		const ended = once(running, "exit");
		running.kill("SIGTERM");
		await ended;
		assert.match((await get(a.client, machine.ip, 8080)).body ?? "", new RegExp(`"remoteAddress":"${a.client.ip}"`));
		assert.equal(await readRedirect(machine.netns), undefined);
	});

	it("refuses a pod that cannot be, with all reasons at once", async () => {
		const answer = await call<{ problems: readonly { path: string }[] }>("POST", "/v1/pods", {
			name: "Bad Name",
			ip: "10.1.2",
			netns: "relative",
			ports: [{ containerPort: 0 }],
		});
		assert.equal(answer.status, 400);
		assert.deepEqual(
			answer.body.problems.map((problem) => problem.path),
			["name", "uid", "netns", "ips[0]", "ports[0].containerPort"],
		);
		const missing = await call("POST", "/v1/pods", describePod({ netns: "/run/netns/kmn-none" }));
		assert.equal(missing.status, 400);
	});

	it("runs an Envoy that lies where its user cannot go, as below root's home", async () => {
		const hidden = join(a.rig.directory, "root");
		mkdirSync(hidden, { mode: 0o700 });
		copyFileSync(envoyBinary, join(hidden, "envoy"), constants.COPYFILE_FICLONE);
		await killAgent("SIGTERM");
		await startAgent("--envoy", join(hidden, "envoy"));
		const answer = await call("POST", "/v1/pods", describePod());
		assert.equal(answer.status, 201, JSON.stringify(answer.body));
		assert.equal(readlinkSync(`/proc/${answer.body.pid}/exe`), join(hidden, "envoy"));
		await killAgent("SIGTERM");
	});

	it("refuses a second agent on the same state directory", async () => {
		const second = spawn(
			process.execPath,
			[
				"--no-warnings",
				program,
				"node",
				"--node",
				"n2",
				"--state",
				a.state,
				"--control",
				`127.0.0.1:${a.controlPort}`,
				"--insecure-control",
				"--envoy",
				envoyBinary,
			],
			{ stdio: ["ignore", "ignore", "pipe"] },
		);
		let said = "";
		second.stderr.setEncoding("utf8").on("data", (text: string) => {
			said += text;
		});
		const [code] = await once(second, "exit");
		assert.notEqual(code, 0);
		assert.match(said, /another process listens/);
	});
});

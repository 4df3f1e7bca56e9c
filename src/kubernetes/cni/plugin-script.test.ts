import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { realClock } from "../../runtime/clock.ts";
import { silentLog } from "../../runtime/log.ts";
import { type NewSandbox, PluginRequests } from "./plugin-requests.ts";
import { renderPlugin } from "./plugin-script.ts";

const prevResult = {
	cniVersion: "1.0.0",
	interfaces: [{ name: "eth0", sandbox: "/var/run/netns/cni-1" }],
	ips: [{ address: "10.244.1.7/24", interface: 0 }, { address: "fd00::7/64" }],
	dns: {},
};
/** As libcni writes it: keys in order, no white space. */
const input = JSON.stringify({ cniVersion: "1.0.0", name: "pods", prevResult, type: "keepmesh-cni" });

interface Ran {
	readonly code: number | null;
	readonly stdout: string;
}

for (const shell of [["sh"], ["busybox", "sh"], ["bash", "--posix"]])
	describe(`the CNI plug-in, run by ${shell.join(" ")}`, () => {
		const directory = mkdtempSync(join(tmpdir(), "keepmesh-cni-"));
		const exchange = join(directory, "exchange");
		const kubelet = join(directory, "kubelet");
		const program = join(directory, "keepmesh-cni");
		const asked: NewSandbox[] = [];
		let verdict: string | undefined;
		const requests = new PluginRequests(exchange, {
			clock: realClock,
			log: silentLog,
			prepare: async (sandbox) => {
				asked.push(sandbox);
				return verdict;
			},
		});
		before(() => {
			writeFileSync(program, renderPlugin({ exchange, kubelet, waitSeconds: 1 }));
			for (const [uid, volumes] of [
				["meshed", ["istio-envoy"]],
				["stock", ["istio-envoy", "istio-data"]],
				["plain", ["cache"]],
			] as const)
				for (const volume of volumes)
					mkdirSync(`${kubelet}/pods/${uid}/volumes/kubernetes.io~empty-dir/${volume}`, { recursive: true });
		});
		after(() => {
			requests.close();
			rmSync(directory, { recursive: true, force: true });
		});

		let turn = 0;
		/** The runtime gives them in any order. */
		const argumentsInTurn = (uid: string): string => {
			const pod = ["K8S_POD_NAMESPACE=shop", "K8S_POD_NAME=web-1", "K8S_POD_INFRA_CONTAINER_ID=abc"];
			const named = ["IgnoreUnknown=1", ...pod];
			const given = uid === "" ? named : [...named, `K8S_POD_UID=${uid}`];
			const first = turn++ % given.length;
			return [...given.slice(first), ...given.slice(0, first)].join(";");
		};
		const run = (command: string, uid: string, text = input): Promise<Ran> =>
			new Promise((resolve) => {
				const [file = "sh", ...args] = [...shell, program];
				const env = {
					PATH: process.env.PATH,
					CNI_COMMAND: command,
					CNI_NETNS: "/var/run/netns/cni-1",
					CNI_CONTAINERID: "abc",
					CNI_ARGS: argumentsInTurn(uid),
				};
				const child = spawn(file, args, { env, stdio: ["pipe", "pipe", "ignore"] });
				let stdout = "";
				child.stdout.on("data", (chunk) => {
					stdout += chunk;
				});
				child.on("close", (code) => resolve({ code, stdout }));
				child.stdin.end(text);
			});

		it("lets pods without our proxy pass, with nobody to ask, and hands on what was done before it", async () => {
			for (const uid of ["plain", "stock", "unheard-of"]) {
				const { code, stdout } = await run("ADD", uid);
				assert.equal(code, 0);
				assert.deepEqual(JSON.parse(stdout), prevResult);
			}
		});

		it("does not start a pod of the mesh before the agent has ever run", async () => {
			const { code, stdout } = await run("ADD", "meshed");
			assert.equal(code, 1);
			assert.deepEqual(JSON.parse(stdout), {
				cniVersion: "1.0.0",
				code: 11,
				msg: "keepmesh: its node agent has not started yet",
			});
		});

		it("fails after a while when the agent is away, and leaves nothing behind", async () => {
			mkdirSync(exchange);
			const { code, stdout } = await run("ADD", "meshed");
			assert.equal(code, 1);
			assert.match(JSON.parse(stdout).msg, /does not answer/);
			assert.deepEqual(readdirSync(exchange), []);
		});

		it("asks the agent for pods of the mesh, and tells it which and where", async () => {
			requests.open();
			const { code, stdout } = await run("ADD", "meshed");
			assert.deepEqual(JSON.parse(stdout), prevResult);
			assert.equal(code, 0);
			const sandbox = { uid: "meshed", namespace: "shop", name: "web-1" };
			const place = { netns: "/var/run/netns/cni-1", ips: ["10.244.1.7", "fd00::7"] };
			assert.deepEqual(asked, [{ ...sandbox, ...place }]);
		});

		it("asks where an older runtime does not say the uid", async () => {
			assert.equal((await run("ADD", "")).code, 0);
			assert.equal(asked.at(-1)?.uid, "");
		});

		it("does not start the pod while the agent says why not", async () => {
			verdict = 'no "redirect"\nyet';
			const { code, stdout } = await run("ADD", "meshed");
			assert.equal(code, 1);
			assert.equal(JSON.parse(stdout).msg, "keepmesh: no  redirect  yet");
			assert.equal(existsSync(exchange) && readdirSync(exchange).length, 0);
		});

		it("says its versions, and has nothing to do when a pod ends", async () => {
			assert.ok(JSON.parse((await run("VERSION", "")).stdout).supportedVersions.includes("1.0.0"));
			assert.deepEqual(await run("DEL", "meshed"), { code: 0, stdout: "" });
		});

		it("may be the first of its chain", async () => {
			assert.deepEqual(await run("ADD", "plain", '{"cniVersion":"1.0.0","name":"pods"}'), { code: 0, stdout: "\n" });
		});
	});

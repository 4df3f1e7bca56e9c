import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { cannotRun, createRig, type Host, type Rig } from "../node/namespace-rig.testing.ts";
import { hasAddress } from "./vip-process.testing.ts";

const program = join(import.meta.dirname, "../../bin/keepmesh.ts");
const vip = "10.77.0.100";

describe("keepmesh node with virtual IPs", { skip: cannotRun }, () => {
	let rig: Rig;
	let host: Host;
	let state: string;
	let conf: string;

	before(() => {
		rig = createRig();
		host = rig.addHost("a", "10.77.0.2");
		state = join(rig.directory, "state");
		mkdirSync(state, { mode: 0o711 });
		conf = join(rig.directory, "keepalived.conf");
		writeFileSync(
			conf,
			`vrrp_instance web {
				interface eth0
				virtual_router_id 51
				version 3
				advert_int 0.1
				virtual_ipaddress {
					${vip}/24
				}
			}`,
		);
	});
	after(() => rig.close());

	let said = "";
	const startAgent = (): ChildProcess => {
		said = "";
		const command = [program, "node", "--node", "a", "--state", state, "--control", "127.0.0.1:1"];
		const flags = ["--insecure-control", "--keepalived-conf", conf, "--stop-proxies"];
		const words = [`--net=${host.netns}`, "--", process.execPath, "--no-warnings", ...command, ...flags];
		const started = spawn("nsenter", words, { stdio: ["ignore", "ignore", "pipe"] });
		started.stderr.setEncoding("utf8").on("data", (text: string) => {
			said += text;
		});
		return started;
	};
	const until = async (what: string, holds: () => boolean): Promise<void> => {
		for (let waitedMs = 0; !holds(); waitedMs += 20) {
			assert.ok(waitedMs < 8000, `${what}; it said: ${said}`);
			await new Promise((resolve) => setTimeout(resolve, 20));
		}
	};
	const vipPid = (): number | undefined => {
		try {
			return (JSON.parse(readFileSync(join(state, "vip.json"), "utf8")) as { process: { pid: number } }).process.pid;
		} catch {
			return undefined;
		}
	};

	it("starts them in a process that outlives a killed agent, is taken up by the next one and ends with it in order", async () => {
		const first = startAgent();
		await until("the address is there", () => hasAddress(host, vip));
		const pid = vipPid();
		first.kill("SIGKILL");
		await once(first, "exit");
		await new Promise((resolve) => setTimeout(resolve, 500));
		assert.ok(hasAddress(host, vip), "without an agent");
		const second = startAgent();
		await until("the next agent runs", () => said.includes("node agent runs"));
		assert.equal(vipPid(), pid);
		assert.ok(hasAddress(host, vip));
		second.kill("SIGTERM");
		await once(second, "exit");
		assert.equal(hasAddress(host, vip), false);
		assert.equal(vipPid(), undefined);
	});
});

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { cannotRun, createRig, type Host, type Rig } from "../node/namespace-rig.testing.ts";
import type { VipStatus } from "./vip/vip-status.ts";
import { hasAddress, VipProcess } from "./vip-process.testing.ts";

const vip = "10.77.0.100";
/** Sooner than with adverts each second, the default: 3.6 s. With those of the file it takes 0.4 s. */
const takeoverMs = 3000;

const conf = (priority: number, more = "", addresses: readonly string[] = [vip]): string => `
global_defs {
	vrrp_version 3
}
vrrp_instance web {
	state BACKUP
	interface eth0
	virtual_router_id 51
	priority ${priority}
	advert_int 0.1
	virtual_ipaddress {
		${addresses.map((address) => `${address}/24`).join("\n\t\t")}
	}
	${more}
}
`;

describe("keepmesh vip run, two machines", { skip: cannotRun }, () => {
	let rig: Rig;
	let [hostA, hostB]: readonly (Host | undefined)[] = [];
	const running: VipProcess[] = [];
	const started: VipProcess[] = [];

	before(() => {
		rig = createRig();
		hostA = rig.addHost("a", "10.77.0.2");
		hostB = rig.addHost("b", "10.77.0.3");
	});
	afterEach(async () => {
		const ended = running.splice(0).reverse();
		for (const process of ended) await process.stop();
		for (const process of ended) await process.until("the address is gone", () => !process.has(vip), 2000);
	});
	after(() => rig.close());

	const start = (host: Host | undefined, text: string, args: readonly string[] = []): VipProcess => {
		assert.ok(host);
		const process = new VipProcess(host, rig.directory, text, args);
		running.push(process);
		started.push(process);
		return process;
	};
	const pair = async (argsOfA: readonly string[] = []): Promise<readonly [VipProcess, VipProcess]> => {
		const a = start(hostA, conf(150), argsOfA);
		await a.untilRole("MASTER");
		const b = start(hostB, conf(100));
		await b.untilRole("BACKUP");
		await b.untilLogged("virtual IPs run");
		await new Promise((resolve) => setTimeout(resolve, 150));
		assert.deepEqual([a.has(vip), b.has(vip)], [true, false]);
		return [a, b];
	};

	it("puts the address on one of them, is small, and tells what it does", async () => {
		const [a, b] = await pair();
		const [instance] = (JSON.parse(b.ask("status", "-o", "json")) as VipStatus).instances;
		assert.equal(instance?.state, "BACKUP");
		assert.equal(instance?.owner, "10.77.0.2");
		assert.equal(instance?.peers[0]?.priority, 150);
		assert.match(a.ask("status"), /^web\s+MASTER\s+150\s/m);
		assert.match(a.ask("explain", "web"), /web: owned by \S+-a \(MASTER, priority 150\)/);
		await a.until(`it is small: ${a.residentKb()} kB`, () => a.residentKb() < 60_000, 4000);
	});

	it("takes over when the owner is killed, whose address goes although it cannot remove it", async () => {
		const [a, b] = await pair();
		a.signal("SIGKILL");
		await b.until("it has the address", () => b.has(vip), takeoverMs);
		await a.until("the watchdog removed the address", () => !a.has(vip));
	});

	it("removes what a killed run left when it starts again, also without a watchdog", async () => {
		const [a, b] = await pair(["--no-watchdog"]);
		a.signal("SIGKILL");
		await b.until("it has the address", () => b.has(vip), takeoverMs);
		assert.ok(a.has(vip), "nobody removed it");
		const again = start(hostA, conf(50));
		await again.untilLogged("what a crashed run had left was removed");
		await again.untilRole("BACKUP");
		assert.equal(again.has(vip), false);
	});

	it("hands over when it is told to stop: the other owns before it lets go", async () => {
		const [a, b] = await pair();
		const sinceMs = performance.now();
		await a.stop();
		assert.ok(performance.now() - sinceMs < takeoverMs);
		await b.untilRole("MASTER");
		const stopped = a.log.find(({ to }) => to === "STOP");
		assert.equal(stopped?.because, "10.77.0.3 took over");
		assert.deepEqual([a.has(vip), b.has(vip)], [false, true]);
	});

	it("moves by order", async () => {
		const [a, b] = await pair();
		a.ask("move", "web");
		await b.untilRole("MASTER");
		assert.deepEqual([a.has(vip), b.has(vip)], [false, true]);
		assert.throws(
			() => a.ask("move", "web"),
			/this node does not own web \(it is BACKUP\); 10\.77\.0\.3 does: ask there/,
		);
	});

	it("takes no packets to an address with no_accept, until a reload allows them", async () => {
		const a = start(hostA, conf(150, "no_accept"));
		await a.untilRole("MASTER");
		const dropped = (): string => a.host.exec("nft", "list", "ruleset");
		assert.match(dropped(), /ip daddr 10\.77\.0\.100 drop/);
		a.write(conf(150));
		a.signal("SIGHUP");
		await a.untilLogged("configuration read again");
		assert.doesNotMatch(dropped(), /drop/);
	});

	it("stays master over a reload that changes its addresses, and over a file that is broken", async () => {
		const [a] = await pair();
		a.write(conf(150, "", [vip, "10.77.0.101"]));
		a.signal("SIGHUP");
		await a.untilLogged("configuration read again");
		assert.deepEqual([a.has(vip), a.has("10.77.0.101")], [true, true]);
		a.write(conf(150).replace("virtual_router_id 51", "virtual_router_id 999"));
		assert.throws(() => a.ask("reload"), /virtual_router_id/);
		assert.deepEqual([a.has(vip), a.has("10.77.0.101")], [true, true]);
		a.write(conf(150));
		a.ask("reload");
		assert.deepEqual([a.has(vip), a.has("10.77.0.101")], [true, false]);
		assert.equal(a.log.filter(({ to }) => to === "BACKUP").length, 1, "only at its start");
	});

	it("leaves the address when a tracked file says so, and takes it back", async () => {
		const flag = join(rig.directory, "flag");
		writeFileSync(flag, "0\n");
		const tracking = `track_file {\n\t\tflag\n\t}`;
		const text = `track_file flag {\n\tfile ${flag}\n\tweight 0\n}\n${conf(150, tracking)}`;
		const a = start(hostA, text);
		await a.untilRole("MASTER");
		const b = start(hostB, conf(100));
		await b.untilRole("BACKUP");
		await b.untilLogged("virtual IPs run");
		writeFileSync(flag, "1\n");
		await b.untilRole("MASTER");
		await a.untilRole("FAULT");
		writeFileSync(flag, "0\n");
		await a.until("it has the address again", () => a.has(vip) && !b.has(vip), 2000);
	});

	it("runs notify scripts and writes FIFOs in keepalived's words", async () => {
		const told = join(rig.directory, "told");
		const fifo = join(rig.directory, "fifo");
		const script = join(rig.directory, "notify.sh");
		writeFileSync(script, `#!/bin/sh\necho "$@" >> ${told}\n`, { mode: 0o755 });
		writeFileSync(told, "");
		const notify = `notify_master "${script} specific"\n\tnotify ${script}`;
		const a = start(hostA, conf(150, notify).replace("vrrp_version 3", `vrrp_version 3\n\tvrrp_notify_fifo ${fifo}`));
		await a.untilRole("MASTER");
		await a.until("the scripts have run", () => readFileSync(told, "utf8").split("\n").length > 3);
		const lines = readFileSync(told, "utf8").trim().split("\n");
		assert.deepEqual(lines.sort(), ["INSTANCE web BACKUP 150", "INSTANCE web MASTER 150", "specific"].sort());
		assert.match(
			hostA?.exec("timeout", "1", "head", "-n", "2", fifo) ?? "",
			/^INSTANCE "web" BACKUP 150\nINSTANCE "web" MASTER 150\n$/,
		);
	});

	it("refuses to run beside another one in the same network namespace", async () => {
		await pair();
		const second = start(hostA, conf(10), ["--no-watchdog"]);
		assert.equal(await second.ended(), 69);
		assert.match(second.text, /another keepmesh vip runs in this network namespace/);
		assert.ok(hostA && hasAddress(hostA, vip));
	});

	it("runs soon after it was started, on a machine that lets it", async () => {
		await pair();
		const startsMs = started.flatMap(({ log }) =>
			log.flatMap(({ msg, startMs }) => (msg === "virtual IPs run" ? Number(startMs) : [])),
		);
		assert.ok(Math.min(...startsMs) < 1000, `${startsMs.join(", ")} ms`);
	});
});

// A real connection through a real kernel's translation: the machine that translates it loses the address, and it goes on.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import { connectInNamespace } from "../../lab/namespace-socket.ts";
import { cannotRun, createRig, type Host, type Rig } from "../../node/namespace-rig.testing.ts";
import { followConnections } from "./followed-connections.ts";

const vip = "10.77.0.100";
const translation = `table ip t {
	chain in { type nat hook prerouting priority dstnat; ip daddr ${vip} tcp dport 80 dnat to 10.77.0.5:8080; }
	chain out { type nat hook postrouting priority srcnat; ip daddr 10.77.0.5 masquerade; }
}`;
const echo = `require("net").createServer((s) => s.on("error", () => {}).pipe(s)).listen(8080, () => console.log("up"))`;

describe("connections that follow their address", { skip: cannotRun }, () => {
	let rig: Rig;
	let [client, a, b, d]: (Host | undefined)[] = [];
	let server: ChildProcess | undefined;
	before(async () => {
		rig = createRig();
		client = rig.addHost("c", "10.77.0.4");
		a = translator("a", "10.77.0.2");
		b = translator("b", "10.77.0.3");
		d = translator("d", "10.77.0.6");
		const place = rig.addHost("s", "10.77.0.5");
		server = spawn("nsenter", [`--net=${place.netns}`, "--", process.execPath, "-e", echo], {
			stdio: ["ignore", "pipe", "inherit"],
		});
		if (server.stdout) await once(server.stdout, "data");
	});
	after(() => {
		for (const socket of sockets) socket.destroy();
		server?.kill("SIGKILL");
		rig?.close();
	});

	function translator(name: string, ip: string): Host {
		const host = rig.addHost(name, ip);
		host.exec("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward");
		host.exec("nft", translation);
		return host;
	}

	const has = (host: Host | undefined): void => {
		for (const one of [a, b, d])
			one?.exec("sh", "-c", `ip address ${one === host ? "add" : "del"} ${vip}/32 dev eth0 2>/dev/null || true`);
		client?.exec("ip", "neighbour", "flush", "all");
	};
	const sockets: Socket[] = [];
	const connected = async (local: { readonly localPort?: number } = {}): Promise<Socket> => {
		const socket = await connectInNamespace(client?.netns ?? "", { host: vip, port: 80, ...local }, 5_000);
		sockets.push(socket.on("error", () => {}));
		return socket;
	};
	/** What comes back, or why nothing does. */
	const ask = async (socket: Socket, text: string): Promise<string> => {
		socket.write(text);
		const [answer] = await once(socket, "data", { signal: AbortSignal.timeout(5_000) }).catch((error: Error) => [
			error,
		]);
		return answer instanceof Error && "code" in answer ? String(answer.code) : String(answer);
	};

	it("end with a reset when nothing is said, and go on with the same server when it is; new ones stay here", async () => {
		has(a);
		const [ending, going] = [await connected(), await connected()];
		for (const one of [ending, going]) assert.equal(await ask(one, "first"), "first");
		has(b);
		assert.equal(await ask(ending, "second"), "ECONNRESET");
		assert.ok((await followConnections([{ address: vip, whenHere: "10.77.0.2", interface: "eth0" }], b?.netns)).ok);
		assert.equal(await ask(going, "second"), "second");
		const fresh = await connected();
		assert.equal(await ask(fresh, "new"), "new");
		assert.match(b?.exec("nft", "list", "table", "ip", "keepmesh_vip_open") ?? "", /counter packets [1-9]/);
		a?.exec("ip", "link", "set", "eth0", "down");
		assert.equal(await ask(fresh, "again"), "again");
		a?.exec("ip", "link", "set", "eth0", "up");
	});

	it("end with a reset where nobody knows them, and are not handed on for ever", async () => {
		has(a);
		const socket = await connected();
		assert.equal(await ask(socket, "first"), "first");
		has(b);
		assert.ok((await followConnections([{ address: vip, whenHere: "10.77.0.3", interface: "eth0" }], a?.netns)).ok);
		assert.ok((await followConnections([{ address: vip, whenHere: "10.77.0.2", interface: "eth0" }], b?.netns)).ok);
		a?.exec("nft", "delete table ip t");
		a?.exec("conntrack", "-F");
		assert.equal(await ask(socket, "lost"), "ECONNRESET");
		assert.match(b?.exec("nft", "list", "table", "ip", "keepmesh_vip_open") ?? "", /counter packets [12] /);
	});

	it("are not taken for one of the same port that ended here not long ago", async () => {
		for (const host of [a, b, d]) await followConnections([], host?.netns);
		a?.exec("nft", translation);
		const localPort = 40_000;
		has(b);
		const ended = await connected({ localPort });
		assert.equal(await ask(ended, "ended"), "ended");
		ended.resetAndDestroy();
		await once(ended, "close");
		has(a);
		const socket = await connected({ localPort });
		assert.equal(await ask(socket, "first"), "first");
		assert.ok((await followConnections([{ address: vip, whenHere: "10.77.0.2", interface: "eth0" }], b?.netns)).ok);
		has(b);
		assert.equal(await ask(socket, "second"), "second");
	});

	it("are asked for from machine to machine, until one of several that had the address knows them", async () => {
		const follow = async (host: Host | undefined, whenHere: string, whenElsewhere?: string): Promise<void> => {
			const followed = { address: vip, interface: "eth0", whenHere, ...(whenElsewhere && { whenElsewhere }) };
			assert.ok((await followConnections([followed], host?.netns)).ok);
		};
		for (const host of [a, b, d]) await followConnections([], host?.netns);
		has(a);
		const [ofA, lost] = [await connected(), await connected()];
		for (const one of [ofA, lost]) assert.equal(await ask(one, "a"), "a");
		has(d);
		const ofD = await connected();
		assert.equal(await ask(ofD, "d"), "d");
		has(b);
		const ofB = await connected();
		assert.equal(await ask(ofB, "b"), "b");
		await follow(b, "10.77.0.6", "10.77.0.2");
		await follow(d, "10.77.0.3", "10.77.0.2");
		await follow(a, "10.77.0.6");
		for (const one of [ofA, ofB, ofD]) assert.equal(await ask(one, "still"), "still");
		a?.exec("nft", "delete table ip t");
		a?.exec("conntrack", "-F");
		assert.equal(await ask(lost, "lost"), "ECONNRESET", "the last one resets");
		for (const one of [ofB, ofD]) assert.equal(await ask(one, "still"), "still");
	});

	it("go round a few times at most where two machines have the address at once, and end with a reset", async () => {
		for (const host of [a, b, d]) await followConnections([], host?.netns);
		has(a);
		a?.exec("nft", translation);
		const socket = await connected();
		assert.equal(await ask(socket, "first"), "first");
		for (const host of [a, b]) host?.exec("nft", "delete table ip t");
		for (const host of [a, b]) host?.exec("conntrack", "-F");
		b?.exec("ip", "address", "add", `${vip}/32`, "dev", "eth0");
		assert.ok((await followConnections([{ address: vip, whenHere: "10.77.0.3", interface: "eth0" }], a?.netns)).ok);
		assert.ok((await followConnections([{ address: vip, whenHere: "10.77.0.2", interface: "eth0" }], b?.netns)).ok);
		const told = ask(socket, "round");
		const rules = await told.then(() => b?.exec("nft", "list", "table", "ip", "keepmesh_vip_open") ?? "");
		for (const host of [a, b]) await followConnections([], host?.netns);
		const packets = [...rules.matchAll(/counter packets (\d+)/g)].map(([, count]) => Number(count));
		assert.equal(await told, "ECONNRESET");
		assert.ok(packets.reduce((sum, one) => sum + one, 0) < 20, `${packets} packets of one`);
	});

	it("leave nothing in the kernel when they are no more", async () => {
		for (const host of [a, b, d]) {
			assert.ok((await followConnections([], host?.netns)).ok);
			assert.doesNotMatch(host?.exec("nft", "list", "tables") ?? "", /keepmesh/);
		}
	});
});

import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { after, afterEach, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { proxyUid } from "../../hotswitch/render-redirect.ts";
import { insideNamespace } from "../../kernel/linux/network-namespace.ts";
import { cannotRun } from "../../node/namespace-rig.testing.ts";
import { realClock } from "../../runtime/clock.ts";
import { silentLog } from "../../runtime/log.ts";
import { type DoorAnswer, PodDoor, type PodDoorDeps } from "./pod-door.ts";

const name = `km-door-${process.pid}`;
const netns = `/run/netns/${name}`;
const proxy = { uid: proxyUid, gid: proxyUid };

interface Answered {
	readonly code: number;
	readonly text: string;
}

/** Asks from a process of that user in the namespace; code 0: there was nobody to ask. */
function ask(
	path: string,
	{ gid, uid }: { uid: number; gid: number } = proxy,
	where = netns,
	socket = "keepmesh-node",
) {
	const user = ["setpriv", "--reuid", `${uid}`, "--regid", `${gid}`, "--clear-groups", "--"];
	const curl = ["curl", "-s", "-m", "5", "--abstract-unix-socket", socket, "-w", " %{http_code}", `http://node${path}`];
	return new Promise<Answered>((resolve) => {
		execFile("nsenter", [`--net=${where}`, ...user, ...curl], (_, stdout) => {
			const [, text = "", code = "0"] = /^([\s\S]*) (\d+)$/.exec(stdout) ?? [];
			resolve({ code: Number(code), text: text.trim() });
		});
	});
}

describe("the agent's sockets in a pod", { skip: cannotRun }, () => {
	let door: PodDoor | undefined;
	before(() => execFileSync("ip", ["netns", "add", name]));
	after(() => execFileSync("ip", ["netns", "delete", name]));
	afterEach(() => {
		door?.close();
		door = undefined;
	});
	const open = (deps: Partial<PodDoorDeps> = {}): void => {
		const none = (): DoorAnswer => ({ ok: false, because: "not yet" });
		door = new PodDoor({
			clock: realClock,
			log: silentLog,
			owner: "shop/web",
			netns,
			isRootProxy: false,
			bootstrap: none,
			redirect: none,
			ready: async () => none(),
			accept: (_, socket) => socket.destroy(),
			...deps,
		});
		door.open();
	};

	it("hand the start configuration to the pod's proxy, and tell which process asks", async () => {
		let asker = 0;
		open({
			bootstrap: (pid) => {
				asker = pid;
				return { ok: true, body: { bootstrap: { node: 1 }, args: ["-l", "info"] } };
			},
		});
		const { code, text } = await ask("/v1/bootstrap");
		assert.equal(code, 200);
		assert.deepEqual(JSON.parse(text), { bootstrap: { node: 1 }, args: ["-l", "info"] });
		assert.ok(asker > 1 && asker !== process.pid);
	});

	it("say why there is nothing yet", async () => {
		open();
		assert.deepEqual(await ask("/v1/redirect"), { code: 503, text: "not yet" });
		assert.equal((await ask("/v1/else")).code, 404);
	});

	it("hold the question whether the application may start, and tell when who asked has hung up", async () => {
		const answer = Promise.withResolvers<DoorAnswer>();
		const lost: boolean[] = [];
		open({
			ready: (hungUp) => {
				hungUp.addEventListener("abort", () => lost.push(true));
				return answer.promise;
			},
		});
		const held = ask("/v1/ready");
		const gone = execFile("nsenter", [
			...[`--net=${netns}`, "setpriv", "--reuid", `${proxyUid}`, "--regid", `${proxyUid}`, "--clear-groups", "--"],
			...["curl", "-s", "-m", "1", "--abstract-unix-socket", "keepmesh-node", "http://node/v1/ready"],
		]);
		await once(gone, "exit");
		for (let tries = 0; lost.length === 0; tries++) {
			assert.ok(tries < 100, "it was not told");
			await sleep(20);
		}
		answer.resolve({ ok: false, because: "the pod is being deleted", isFinal: true });
		assert.deepEqual(await held, { code: 410, text: "the pod is being deleted" });
		assert.equal(lost.length, 1);
	});

	it("serve no other user of the pod", async () => {
		open({ redirect: () => ({ ok: true }) });
		for (const user of [
			{ uid: 0, gid: 0 },
			{ uid: 1000, gid: proxyUid },
			{ uid: 0, gid: proxyUid },
		])
			assert.equal((await ask("/v1/redirect", user)).code, 403);
		assert.equal((await ask("/v1/redirect")).code, 200);
	});

	it("serve root in the proxies' group where the proxy needs rights", async () => {
		open({ redirect: () => ({ ok: true }), isRootProxy: true });
		assert.equal((await ask("/v1/redirect", { uid: 0, gid: proxyUid })).code, 200);
		assert.equal((await ask("/v1/redirect", { uid: 0, gid: 0 })).code, 403);
	});

	it("cannot be reached from outside of the pod", async () => {
		open({ redirect: () => ({ ok: true }) });
		assert.equal((await ask("/v1/redirect", proxy, "/proc/self/ns/net")).code, 0);
	});

	it("hand connections of the proxy to the node's servers, and nobody else's", async () => {
		const accepted: string[] = [];
		open({
			accept: (to, socket: Socket) => {
				accepted.push(to);
				socket.end("HTTP/1.1 204 No Content\r\n\r\n");
			},
		});
		for (const socket of ["keepmesh-xds", "keepmesh-sds", "keepmesh-metrics"]) {
			assert.equal((await ask("/", proxy, netns, socket)).code, 204);
			assert.equal((await ask("/", { uid: 0, gid: 0 }, netns, socket)).code, 0);
		}
		assert.deepEqual(accepted, ["xds", "secrets", "metrics"]);
	});

	it("are opened as soon as an earlier agent has given them up", async () => {
		const earlier = createServer();
		const inside = insideNamespace(netns);
		inside.run(() => earlier.listen("\0keepmesh-node"));
		open({ redirect: () => ({ ok: true }) });
		await sleep(50);
		earlier.close();
		inside.close();
		for (let tries = 0; (await ask("/v1/redirect")).code !== 200; tries++) {
			assert.ok(tries < 50, "the sockets were never opened");
			await sleep(50);
		}
	});
});

// A pod's path in a real kernel. Plain servers stand on the ports of the sidecar and of the spare, and a connection that Envoy's
// user makes is the sign of life.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, beforeEach, describe, it } from "node:test";
import { closedPath, type PathState } from "../../hotswitch/path-state.ts";
import { noPlaintext, type PlaintextPorts, planRedirect } from "../../hotswitch/redirect-plan.ts";
import { heartbeatPort } from "../../hotswitch/render-lease.ts";
import { renderRedirect } from "../../hotswitch/render-redirect.ts";
import { cannotRun, createRig, type Host, type Rig } from "../../node/namespace-rig.testing.ts";
import { applyRedirect } from "../namespace-redirect.ts";
import type { PodPath } from "../pod-path.ts";
import { openPodPath } from "./open-pod-path.ts";

const leaseMs = 500;
const all: PathState = { sidecar: true, spare: true, direct: true, patient: true };

describe("a pod's path in the kernel", { skip: cannotRun }, () => {
	let rig: Rig;
	let client: Host;
	let pod: Host;
	let path: PodPath;

	const load = async (
		mode: "TPROXY" | "REDIRECT",
		plaintext: PlaintextPorts = noPlaintext,
		state?: PathState,
		hangMs = leaseMs,
	) => {
		const input = { owner: "default/app", mode, ips: [pod.ip, "fd77::3"], annotations: {}, plaintext };
		const { plan } = planRedirect({ ...input, lease: { leaseMs, hangMs } });
		const settings = { ruleset: renderRedirect(plan, [], state), ipv6: false, lowPorts: false };
		assert.deepEqual(await applyRedirect(pod.netns, settings), { ok: true });
	};
	const beat = () => pod.run({ op: "http", host: "127.0.0.1", port: heartbeatPort }, { uid: 1337 });
	/** Who answers, or how it fails. */
	const reached = async (from: Host, host: string, port: number): Promise<string> => {
		const answer = await from.run<{ body?: string; error?: string }>({ op: "http", host, port });
		return answer.body
			? (JSON.parse(answer.body) as { name: string }).name
			: (answer.error ?? "").replace(/.*(ECONN\w+).*/, "$1");
	};
	const inbound = (port = 8080) => reached(client, pod.ip, port);
	const outbound = (host = client.ip) => reached(pod, host, 9090);
	const set = (state: Partial<PathState>) => assert.deepEqual(path.set({ ...closedPath, ...state }), { ok: true });

	before(async () => {
		rig = createRig();
		client = rig.addHost("client", "10.77.0.2");
		pod = rig.addHost("pod", "10.77.0.3");
		for (const [host, address] of [
			[client, "fd77::2"],
			[pod, "fd77::3"],
		] as const)
			execFileSync("ip", ["-n", host.name, "address", "add", `${address}/64`, "dev", "eth0", "nodad"]);
		await client.run({ op: "serveHttp", port: 9090, name: "outside", host: "::" });
		for (const [port, name] of [
			[8080, "app"],
			[8081, "app, plaintext"],
			[15_001, "sidecar out"],
			[15_006, "sidecar in"],
			[15_101, "spare out"],
			[15_106, "spare in"],
		] as const)
			await pod.run({ op: "serveHttp", port, name, host: "::" });
		const opened = openPodPath(pod.netns);
		assert.ok(opened.ok);
		path = opened.value;
	});
	after(() => {
		path?.close();
		rig?.close();
	});

	describe("with redirects both ways", () => {
		beforeEach(() => load("REDIRECT", { others: false, except: [8081] }));

		it("refuses what nobody may take, at once", async () => {
			assert.deepEqual([await inbound(), await outbound(), await outbound("fd77::2")], Array(3).fill("ECONNREFUSED"));
		});

		it("gives connections to the sidecar while it is admitted and has a lease, then to the spare", async () => {
			set({ spare: true });
			await beat();
			assert.deepEqual([await inbound(), await outbound()], ["spare in", "spare out"], "not admitted");
			set({ sidecar: true, spare: true });
			await beat();
			assert.deepEqual([await inbound(), await outbound()], ["sidecar in", "sidecar out"]);
			await beat();
			assert.deepEqual(
				[await reached(client, "fd77::3", 8080), await outbound("fd77::2")],
				["sidecar in", "sidecar out"],
			);
			while (path.leaseRemainingMs() !== undefined) await new Promise((resolve) => setTimeout(resolve, 20));
			assert.deepEqual([await inbound(), await outbound()], ["spare in", "spare out"], "without a lease");
		});

		it("lets them past only where plaintext is taken, once neither is there", async () => {
			set({ direct: true });
			assert.deepEqual([await inbound(8080), await inbound(8081)], ["ECONNREFUSED", "app, plaintext"]);
			assert.deepEqual([await outbound(), await outbound("fd77::2")], ["outside", "outside"]);
		});

		it("gives connections to a sidecar that is late, but does not hang yet, only where nothing else may serve", async () => {
			await load("REDIRECT", { others: false, except: [8081] }, undefined, 2 * leaseMs);
			set({ sidecar: true });
			await beat();
			while (path.leaseRemainingMs() !== undefined) await new Promise((resolve) => setTimeout(resolve, 10));
			assert.deepEqual([await inbound(), await outbound()], ["sidecar in", "sidecar out"]);
			set({ sidecar: true, direct: true });
			assert.deepEqual([await inbound(), await inbound(8081)], ["sidecar in", "app, plaintext"]);
			assert.equal(await outbound(), "outside");
			set({ sidecar: true, direct: true, patient: true });
			assert.deepEqual([await inbound(8081), await outbound()], ["sidecar in", "sidecar out"], "nobody watches");
			set({ direct: true, patient: true });
			assert.equal(await inbound(), "ECONNREFUSED", "not admitted");
			set({ sidecar: true });
			await new Promise((resolve) => setTimeout(resolve, leaseMs));
			assert.deepEqual([await inbound(), await outbound()], ["ECONNREFUSED", "ECONNREFUSED"], "it hangs");
		});

		it("is read back", () => {
			for (const state of [all, { ...closedPath, spare: true }, closedPath]) {
				set(state);
				assert.deepEqual(path.read(), state);
			}
			pod.exec("nft", "delete", "table", "inet", "keepmesh");
			assert.equal(path.read(), undefined);
		});

		it("is set to the same twice", async () => {
			for (const state of [all, all, closedPath, closedPath]) set(state);
			assert.equal(await outbound(), "ECONNREFUSED");
		});

		it("keeps an established connection where it is", async () => {
			set({ sidecar: true });
			await beat();
			const slow = pod.run<{ body?: string }>({ op: "http", host: client.ip, port: 9090, path: "/?slow=300" });
			await new Promise((resolve) => setTimeout(resolve, 100));
			set({ direct: true });
			assert.equal(await outbound(), "outside");
			assert.match((await slow).body ?? "", /sidecar out/);
		});

		it("forgets the sidecar's connections and no others", async () => {
			path.forgetFlows();
			set({ spare: true });
			await outbound();
			assert.equal(path.forgetFlows(), 0);
			set({ sidecar: true });
			await beat();
			await outbound();
			assert.equal(path.forgetFlows(), 1);
		});
	});

	describe("with TPROXY", () => {
		it("gives connections to a sidecar that is late as the last resort", async () => {
			await load("TPROXY", { others: true, except: [8080] }, undefined, 4 * leaseMs);
			set({ sidecar: true, direct: true });
			await beat();
			while (path.leaseRemainingMs() !== undefined) await new Promise((resolve) => setTimeout(resolve, 10));
			assert.match(pod.exec("nft", "list", "chain", "inet", "keepmesh", "inbound_path"), /@recent.*tproxy/);
			assert.equal(await inbound(8081), "app, plaintext");
		});

		it("refuses, or lets past where plaintext is taken", async () => {
			await load("TPROXY", { others: true, except: [8080] }, { ...closedPath, direct: true });
			assert.deepEqual([await inbound(8080), await inbound(8081)], ["ECONNREFUSED", "app, plaintext"]);
			assert.equal(await reached(client, "fd77::3", 8081), "app, plaintext");
			set(closedPath);
			assert.deepEqual([await inbound(8080), await inbound(8081)], ["ECONNREFUSED", "ECONNREFUSED"]);
		});
	});

	it("judges what opens a connection even where the kernel still remembers one with the same ports", async () => {
		await load("TPROXY");
		const ends = ["-p", "tcp", "-s", client.ip, "-d", pod.ip, "--sport", "40000", "--dport", "8080"];
		pod.exec("conntrack", "-I", ...ends, "--state", "ESTABLISHED", "-t", "60", "-u", "SEEN_REPLY,ASSURED");
		const script = `require("net").connect({ host: "${pod.ip}", port: 8080, localPort: 40000, timeout: 1000 })
			.on("connect", () => { console.log("connected"); process.exit(); })
			.on("timeout", () => { console.log("nothing"); process.exit(); })
			.on("error", (error) => console.log(error.code))`;
		assert.equal(client.exec(process.execPath, "-e", script).trim(), "ECONNREFUSED");
	});

	it("has a lease only for a while after a sign of life, which only Envoy's user can give", async () => {
		await load("TPROXY");
		assert.equal(path.leaseRemainingMs(), undefined);
		await pod.run({ op: "http", host: "127.0.0.1", port: heartbeatPort });
		assert.equal(path.leaseRemainingMs(), undefined, "the application cannot");
		await beat();
		const remainingMs = path.leaseRemainingMs() ?? 0;
		assert.ok(remainingMs > 0 && remainingMs <= leaseMs, `${remainingMs} ms`);
	});

	it("has a lease for as long as it is vouched for, and the next sign of life makes it a usual one again", async () => {
		await load("TPROXY");
		assert.deepEqual(path.vouch(5000), { ok: true });
		const vouchedMs = path.leaseRemainingMs() ?? 0;
		assert.ok(vouchedMs > 4000 && vouchedMs <= 5000, `${vouchedMs} ms`);
		await beat();
		const remainingMs = path.leaseRemainingMs() ?? 0;
		assert.ok(remainingMs > 0 && remainingMs <= leaseMs, `${remainingMs} ms`);
	});

	it("is as it was when the table is set anew while a sidecar serves", async () => {
		await load("REDIRECT", noPlaintext, all);
		assert.ok((path.leaseRemainingMs() ?? 0) > 0);
		assert.equal(await outbound(), "sidecar out");
	});

	it("does not track the signs of life", async () => {
		await load("TPROXY");
		await beat();
		assert.doesNotMatch(pod.exec("conntrack", "-L"), new RegExp(`dport=${heartbeatPort}`));
	});

	it("says what is not there", () => {
		const opened = openPodPath("/run/netns/kmn-none");
		assert.ok(!opened.ok && opened.message.includes("kmn-none"));
		const other = openPodPath(`/run/netns/${rig.hub}`);
		assert.ok(other.ok);
		assert.equal(other.value.leaseRemainingMs(), undefined);
		assert.equal(other.value.set(all).ok, false);
		other.value.close();
	});
});

// Taking over a redirect in a real kernel: Istio's rules in, adopt, bypass, restore, with what iptables-save prints compared.

import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { keepmesh, program } from "../../app/cli/cli.testing.ts";
import { istioRules, laterUsersRules, usersRules } from "../../hotswitch/adopt/istio-rules.testing.ts";
import { loadPodRules } from "../../kernel/pod-iptables.ts";
import { cannotRun, createRig, type Host, type Rig } from "../namespace-rig.testing.ts";
import { adoptedState, adoptRedirect, bypassRedirect, restoreRedirect } from "./adopted-redirects.ts";
import { AdoptedStore } from "./adopted-store.ts";

for (const backend of ["nft", "legacy"] as const) {
	describe(`a pod that Istio's init container redirected, by iptables-${backend}`, {
		skip: cannotRunWith(backend),
	}, () => {
		let rig: Rig;
		let client: Host;
		let pod: Host;
		let count = 0;
		let directory = "";
		const options = (dryRun = false) => ({
			netns: pod.netns,
			store: new AdoptedStore(directory),
			dryRun,
			nowMs: 1_000,
		});
		const load = async (family: 4 | 6, text: string) =>
			assert.deepEqual(await loadPodRules(pod.netns, { backend, family }, text), { ok: true });
		/** All rules, policy rules and their routes, without counters and dates. */
		const everything = (): string =>
			[
				pod.exec(`iptables-${backend}-save`),
				pod.exec(`ip6tables-${backend}-save`),
				pod.exec("ip", "-4", "rule"),
				pod.exec("ip", "-6", "rule"),
				pod.exec("ip", "-4", "route", "show", "table", "all"),
			]
				.join("")
				.replace(/^#.*\n/gm, "")
				.replace(/\[\d+:\d+\]/g, "[0:0]");
		const inRouting = (family: 4 | 6) => {
			pod.exec("ip", `-${family}`, "rule", "add", "fwmark", "1337", "lookup", "133");
			pod.exec("ip", `-${family}`, "route", "add", "local", "default", "dev", "lo", "table", "133");
		};
		/** Who answers. */
		const answer = async (from: Host, to: Host) => {
			const { body } = await from.run<{ body?: string }>({ op: "http", host: to.ip, port: 8080 });
			return body === undefined ? "nobody" : (JSON.parse(body) as { name: string }).name;
		};

		before(async () => {
			rig = createRig();
			client = rig.addHost("client", "10.77.0.9");
			await client.run({ op: "serveHttp", name: "client", port: 8080 });
		});
		beforeEach(async () => {
			count++;
			pod = rig.addHost(`pod${count}`, `10.77.0.${10 + count}`);
			directory = mkdtempSync(join(tmpdir(), "adopted-"));
			for (const family of [4, 6] as const) await load(family, usersRules(family));
		});
		afterEach(() => {
			rig.removeHost(pod);
			rmSync(directory, { recursive: true, force: true });
		});
		after(() => rig.close());

		for (const tproxy of [false, true]) {
			it(`takes ${tproxy ? "TPROXY" : "REDIRECT"} rules off to what was there without them, and puts them back exactly`, async () => {
				const untouched = everything();
				for (const family of [4, 6] as const) {
					await load(family, istioRules(family, { tproxy, dns: tproxy }));
					if (tproxy) inRouting(family);
				}
				const redirected = everything();

				const adopted = await adoptRedirect(options());
				assert.ok(adopted.ok && adopted.isDone);
				assert.equal(everything(), redirected, "adopt only reads");
				const bypassed = await bypassRedirect(options());
				assert.ok(bypassed.ok && bypassed.isDone, JSON.stringify(bypassed));
				assert.equal(everything(), untouched);
				const restored = await restoreRedirect(options());
				assert.ok(restored.ok && restored.isDone, JSON.stringify(restored));
				assert.equal(everything(), redirected);
			});
		}

		it("keeps a user's rules between Istio's, and their order", async () => {
			for (const family of [4, 6] as const) {
				await load(family, istioRules(family, { tproxy: true }));
				await load(family, laterUsersRules());
			}
			const redirected = everything();
			await adoptRedirect(options());
			const bypassed = await bypassRedirect(options());
			assert.ok(bypassed.ok, JSON.stringify(bypassed));
			assert.doesNotMatch(everything(), /ISTIO/);
			assert.equal(everything().match(/--dport 777[78] -j ACCEPT/g)?.length, 6);
			await restoreRedirect(options());
			assert.equal(everything(), redirected);
		});

		it("sends new connections past the proxy, and back to it", async () => {
			const both = async () => [await answer(client, pod), await answer(pod, client)];
			await pod.run({ op: "serveHttp", name: "application", port: 8080 });
			await pod.run({ op: "serveHttp", name: "inbound", port: 15_006 });
			await pod.run({ op: "serveHttp", name: "outbound", port: 15_001 });
			await load(4, istioRules(4));
			assert.deepEqual(await both(), ["inbound", "outbound"]);
			await adoptRedirect(options());
			await bypassRedirect(options());
			assert.deepEqual(await both(), ["application", "client"]);
			await restoreRedirect(options());
			assert.deepEqual(await both(), ["inbound", "outbound"]);
		});

		it("leaves a request that runs with the proxy", async () => {
			await pod.run({ op: "serveHttp", name: "inbound", port: 15_006 });
			await load(4, istioRules(4));
			await adoptRedirect(options());
			const running = client.run<{ body?: string }>({ op: "http", host: pod.ip, port: 8080, path: "/?slow=1500" });
			const isRunning = () => pod.exec("ss", "-Htn", "state", "established", "sport = :15006").includes(client.ip);
			let seen = false;
			for (let tries = 0; tries < 100 && !seen; tries++) seen = isRunning();
			assert.ok(seen, "no connection to the proxy");
			assert.ok((await bypassRedirect(options())).ok);
			assert.match((await running).body ?? "", /"inbound"/);
		});

		it("does each step once, however often it is called, and finishes one that was cut short", async () => {
			await load(4, istioRules(4, { tproxy: true, dns: true }));
			inRouting(4);
			const redirected = everything();
			await adoptRedirect(options());
			const again = await adoptRedirect(options());
			assert.ok(again.ok && !again.isDone);
			// As if ended between two tables.
			const plan = await bypassRedirect(options(true));
			assert.ok(plan.ok && plan.isDone);
			const [firstTable] = plan.texts[0]?.text.split(/(?<=^COMMIT\n)/m) ?? [];
			await load(4, firstTable ?? "");
			assert.notEqual(everything(), redirected);
			assert.ok((await bypassRedirect(options())).ok);
			assert.doesNotMatch(everything(), /ISTIO|lookup 133/);
			const twice = await bypassRedirect(options());
			assert.ok(twice.ok && !twice.isDone);
			await restoreRedirect(options());
			const restoredTwice = await restoreRedirect(options());
			assert.ok(restoredTwice.ok && !restoredTwice.isDone);
			assert.equal(everything(), redirected);
		});

		it("refuses when another program has changed the rules since, and says which", async () => {
			await load(4, istioRules(4));
			await adoptRedirect(options());
			await load(4, "*nat\n-A ISTIO_INBOUND -p tcp --dport 5 -j RETURN\nCOMMIT\n");
			const changed = everything();
			for (const run of [adoptRedirect, bypassRedirect, restoreRedirect]) {
				const result = await run(options());
				assert.ok(!result.ok && result.because === "changed");
				assert.match(
					result.differences.join(),
					/nat ISTIO_INBOUND, rule 5: expected nothing, found "-p tcp .*--dport 5/,
				);
			}
			assert.equal(everything(), changed);
			const replaced = await adoptRedirect({ ...options(), replace: true });
			assert.ok(replaced.ok && replaced.isDone);
			assert.ok((await bypassRedirect(options())).ok);
			assert.doesNotMatch(everything(), /ISTIO/);
			// The only copy of the rules is never replaced while they are off.
			await load(4, "*nat\n-A OUTPUT -p tcp --dport 5 -j RETURN\nCOMMIT\n");
			const late = await adoptRedirect({ ...options(), replace: true });
			assert.ok(!late.ok && late.because === "changed");
			await load(4, "*nat\n-D OUTPUT -p tcp --dport 5 -j RETURN\nCOMMIT\n");
			await restoreRedirect(options());
			assert.equal(everything(), changed);
		});

		it("never puts rules into another namespace that has the same path", async () => {
			await load(4, istioRules(4));
			const adopted = await adoptRedirect(options());
			assert.ok(adopted.ok);
			assert.equal(await adoptedState(adopted.record), "present");
			await bypassRedirect(options());
			assert.equal(await adoptedState(adopted.record), "removed");
			const name = pod.netns.slice("/run/netns/".length);
			execFileSync("ip", ["netns", "delete", name]);
			assert.equal(await adoptedState(adopted.record), "gone");
			execFileSync("ip", ["netns", "add", name]);
			assert.equal(await adoptedState(adopted.record), "gone");
			assert.deepEqual(await restoreRedirect(options()), { ok: false, because: "notAdopted" });
			assert.deepEqual(await adoptRedirect(options()), { ok: false, because: "noRedirect" });
		});

		it("is typed as keepmesh hotswitch adopt, bypass, restore, adopted", { skip: backend === "legacy" }, async () => {
			await load(4, istioRules(4));
			const redirected = everything();
			const state = join(directory, "records");
			const typed = (...args: readonly string[]) => keepmesh(["hotswitch", ...args, "--state", state]);
			const early = await typed("bypass", "--netns", pod.netns);
			assert.equal(early.code, 69);
			assert.match(early.stderr, /hotswitch adopt --netns/);
			const dry = await typed("adopt", "--netns", pod.netns, "--dry-run");
			assert.match(dry.stdout, /IPv4 \(nft\)\s+nat\s+ISTIO_INBOUND\(4\).*PREROUTING\(1 of 2\)/);
			mkdirSync(state, { recursive: true });
			assert.deepEqual(readdirSync(state), []);
			assert.equal((await typed("adopt", "--netns", pod.netns)).code, 0);
			const [file = ""] = readdirSync(state);
			assert.equal(statSync(join(state, file)).mode & 0o777, 0o600);
			assert.match(
				(await typed("bypass", "--netns", pod.netns, "--dry-run")).stdout,
				/^-D PREROUTING -p tcp -j ISTIO_INBOUND$/m,
			);
			assert.equal(everything(), redirected);
			assert.equal((await typed("bypass", "--netns", pod.netns)).stdout, "redirect removed\n");
			assert.match((await typed("adopted")).stdout, / removed /);
			assert.equal((await typed("restore", "--netns", pod.netns)).stdout, "redirect in place\n");
			assert.equal(everything(), redirected);
			assert.equal((await typed("bypass")).code, 64);
			assert.equal((await typed("bypass", "--netns", "/run/netns/kmn-none")).code, 66);
		});

		it("watches a readiness, and ends with the redirect as it is", { skip: backend === "legacy" }, async () => {
			await load(4, istioRules(4));
			const redirected = everything();
			await adoptRedirect(options());
			let status = 200;
			const server = createServer((_, response) => void response.writeHead(status).end());
			await once(server.listen(0, "127.0.0.1"), "listening");
			const { port } = server.address() as AddressInfo;
			const args = ["--netns", pod.netns, "--state", directory, "--interval", "50ms", "--timeout", "5s"];
			const url = `http://127.0.0.1:${port}/healthz/ready`;
			const watch = spawn(
				process.execPath,
				["--no-warnings", program, "hotswitch", "watch", ...args, "--readiness", url],
				{ stdio: ["ignore", "pipe", "inherit"] },
			);
			try {
				const lines = createInterface({ input: watch.stdout })[Symbol.asyncIterator]();
				assert.match(String((await lines.next()).value), /HTTP 200: redirect in place already$/);
				status = 503;
				assert.match(String((await lines.next()).value), /HTTP 503: redirect removed$/);
				assert.doesNotMatch(everything(), /ISTIO/);
				status = 200;
				assert.match(String((await lines.next()).value), /HTTP 200: redirect in place$/);
				assert.equal(everything(), redirected);
				const ended = once(watch, "exit");
				watch.kill("SIGTERM");
				assert.deepEqual(await ended, [0, null]);
				assert.equal(everything(), redirected);
			} finally {
				watch.kill("SIGKILL");
				server.closeAllConnections();
				server.close();
			}
		});
	});
}

function cannotRunWith(backend: "nft" | "legacy"): string | undefined {
	if (cannotRun !== undefined) return cannotRun;
	const listed = spawnSync("unshare", ["--net", `iptables-${backend}`, "-t", "nat", "-S"], { encoding: "utf8" });
	if (listed.error || listed.status === 127) return `needs iptables-${backend} (apt-get install -y iptables)`;
	return listed.status === 0 ? undefined : `this kernel has no iptables-${backend}`;
}

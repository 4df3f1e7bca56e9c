import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { istioRules } from "../../hotswitch/adopt/istio-rules.testing.ts";
import { loadPodRules } from "../../kernel/pod-iptables.ts";
import { cannotRun } from "../../node/namespace-rig.testing.ts";
import type { SwitchChange } from "../../node/pod-hot-switch.ts";
import { realClock } from "../../runtime/clock.ts";
import { silentLog } from "../../runtime/log.ts";
import { AdoptedPods } from "./adopted-pods.ts";
import { type NodePod, readNodePod } from "./node-pod.ts";

const name = `km-adopt-${process.pid}`;
const netns = `/run/netns/${name}`;
/** Of this process alone: its readiness is asked for on Istio's own port. */
const address = `127.78.${(process.pid >> 8) & 255}.${process.pid & 255 || 1}`;

const stockPod = (annotations: Readonly<Record<string, string>>): NodePod =>
	readNodePod({
		apiVersion: "v1",
		kind: "Pod",
		metadata: { name: "reviews", namespace: "shop", uid: "u1", resourceVersion: "1", annotations },
		spec: { containers: [{ name: "app" }, { name: "istio-proxy", args: ["proxy", "sidecar"] }] },
		status: { phase: "Running", podIPs: [{ ip: address }] },
	});
const adopting = { "keepmesh.io/hot-switch": "adopt" };

describe("a pod that stock Istio injected", { skip: cannotRun }, () => {
	let directory = "";
	let readiness: Server | undefined;
	let isReady = true;
	let switched: SwitchChange[] = [];
	let pods: AdoptedPods | undefined;
	const rules = (): string => execFileSync("nsenter", [`--net=${netns}`, "iptables-nft-save"], { encoding: "utf8" });
	before(async () => {
		execFileSync("ip", ["netns", "add", name]);
		readiness = createServer((_, response) => response.writeHead(isReady ? 200 : 503).end());
		await new Promise<void>((resolve) => readiness?.listen(15_021, address, resolve));
	});
	after(() => {
		readiness?.close();
		execFileSync("ip", ["netns", "delete", name]);
	});
	beforeEach(async () => {
		directory = mkdtempSync(join(tmpdir(), "keepmesh-adopt-"));
		isReady = true;
		switched = [];
		const loaded = await loadPodRules(netns, { backend: "nft", family: 4 }, istioRules(4));
		assert.deepEqual(loaded, { ok: true });
		pods = new AdoptedPods({
			directory,
			clock: realClock,
			log: silentLog,
			onSwitched: (_, change) => switched.push(change),
			namespaceOf: () => netns,
		});
	});
	afterEach(() => {
		pods?.close();
		execFileSync("nsenter", [`--net=${netns}`, "iptables-nft", "-t", "nat", "-F"]);
		execFileSync("nsenter", [`--net=${netns}`, "iptables-nft", "-t", "nat", "-X"]);
		rmSync(directory, { recursive: true, force: true });
	});
	const until = async (what: string, holds: () => boolean): Promise<void> => {
		for (let tries = 0; !holds(); tries++) {
			assert.ok(tries < 100, `never: ${what}`);
			await new Promise((resolve) => setTimeout(resolve, 100));
		}
	};

	it("loses its redirect while its sidecar is not ready, and gets it back", async () => {
		const before = rules();
		assert.match(before, /ISTIO_OUTPUT/);
		isReady = false;
		pods?.follow(stockPod(adopting));
		await until("the redirect is off", () => !rules().includes("ISTIO_OUTPUT"));
		await until("that is told", () => switched.at(-1)?.to === "direct");
		isReady = true;
		await until("the redirect is back", () => rules().includes("ISTIO_OUTPUT"));
		await until("that is told as well", () => switched.at(-1)?.to === "sidecar");
		const plain = (text: string): string => text.replace(/^#.*\n/gm, "").replace(/\[\d+:\d+\]/g, "");
		assert.equal(plain(rules()), plain(before));
	});

	it("is left alone unless it asks for it", async () => {
		isReady = false;
		pods?.follow(stockPod({}));
		await new Promise((resolve) => setTimeout(resolve, 4_500));
		assert.match(rules(), /ISTIO_OUTPUT/);
		assert.deepEqual(switched, []);
	});
});

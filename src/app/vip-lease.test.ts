import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { cannotRun, createRig, type Rig } from "../node/namespace-rig.testing.ts";
import { VipProcess } from "./vip-process.testing.ts";

const vip = "10.77.0.100";

const resource = (leases: string): string => `
apiVersion: keepmesh.io/v1alpha1
kind: VirtualIP
metadata: { name: web }
spec:
  addresses: [${vip}/24]
  interface: eth0
  virtualRouterId: 51
  advertInterval: 200ms
  lease: { name: web, directory: ${leases}, maxDelay: 30s, duration: 6s }
`;

describe("keepmesh vip run, two machines whose networks do not meet, and a lease in a directory of both", {
	skip: cannotRun,
}, () => {
	const rigs: Rig[] = [];
	const running: VipProcess[] = [];
	let [leases, resources] = ["", ""];

	before(() => {
		const [one, other] = [createRig(), createRig()];
		rigs.push(one, other);
		leases = join(one.directory, "leases");
		resources = join(one.directory, "resources");
		mkdirSync(resources);
		writeFileSync(join(resources, "vip.yaml"), resource(leases));
	});
	after(async () => {
		for (const process of running) await process.stop();
		for (const rig of rigs) rig.close();
	});

	const start = (index: number, name: string, address: string): VipProcess => {
		const rig = rigs[index];
		assert.ok(rig);
		const process = new VipProcess(rig.addHost(name, address), rig.directory, "", ["--resources", resources]);
		running.push(process);
		return process;
	};
	const stored = (): { readonly holderIdentity: string; readonly reason: string } => {
		const names = readdirSync(leases).filter((name) => /^default\.web\.\d+$/.test(name));
		const newest = names.sort((a, b) => Number(a.split(".")[2]) - Number(b.split(".")[2])).at(-1);
		try {
			return JSON.parse(readFileSync(join(leases, newest ?? "none"), "utf8"));
		} catch (error) {
			// None yet, or a newer one has taken its place just now.
			if ((error as NodeJS.ErrnoException).code === "ENOENT") return { holderIdentity: "", reason: "" };
			throw error;
		}
	};

	it("only the holder claims, the other waits and says for whom, and claims at once when the holder stops", async () => {
		const a = start(0, "a", "10.77.0.2");
		await a.untilRole("MASTER");
		await a.until("the lease says who owns", () => stored().reason.startsWith("MASTER"));
		assert.equal(stored().holderIdentity, a.host.name);
		assert.match(a.ask("status"), /^web: lease default\/web is held by \S+ \(MASTER, priority 100: /m);

		const b = start(1, "b", "10.77.0.3");
		await b.untilLogged(`${a.host.name} holds the lease, and nobody is heard: lets it go first for 30000 ms`);
		assert.match(b.ask("explain"), new RegExp(`waits a moment before it claims: ${a.host.name} goes first`));
		assert.equal(b.has(vip), false);
		await a.stop();
		const sinceMs = performance.now();
		await b.untilRole("MASTER");
		assert.ok(performance.now() - sinceMs < 5000, `${performance.now() - sinceMs} ms`);
		await b.until("the lease is the other's", () => stored().holderIdentity === b.host.name);
	});
});

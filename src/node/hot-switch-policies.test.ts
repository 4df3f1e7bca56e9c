import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { defaultHotSwitchPolicy } from "../hotswitch/hot-switch-policy.ts";
import { silentLog } from "../runtime/log.ts";
import { HotSwitchPolicies } from "./hot-switch-policies.ts";

const root = mkdtempSync(join(tmpdir(), "km-hot-switch-"));
after(() => rmSync(root, { recursive: true, force: true }));
let sequence = 0;
const newDirectory = () => join(root, String(sequence++));
const web = "sidecar~10.1.0.1~web-1.default~default.svc.cluster.local";
const policy = { ...defaultHotSwitchPolicy, direct: false };

describe("the hot-switch policies of a node", () => {
	it("are what the control plane said last, also for the next agent", async () => {
		const directory = newDirectory();
		const policies = new HotSwitchPolicies(directory, silentLog);
		assert.equal(policies.of(web), undefined);
		policies.receive(web, defaultHotSwitchPolicy);
		policies.receive(web, policy);
		assert.deepEqual(policies.of(web), policy);
		await policies.close();
		assert.deepEqual(new HotSwitchPolicies(directory, silentLog).of(web), policy);
	});

	it("are gone with their proxy, and with proxies that went while no agent ran", async () => {
		const directory = newDirectory();
		const policies = new HotSwitchPolicies(directory, silentLog);
		for (const proxyId of [web, "a", "b"]) policies.receive(proxyId, policy);
		policies.forget(web);
		policies.keep(["a"]);
		await policies.close();
		assert.equal(policies.of(web), undefined);
		assert.equal(readdirSync(directory).length, 1);
		assert.deepEqual(new HotSwitchPolicies(directory, silentLog).of("a"), policy);
	});

	it("are the default again where the file is damaged", async () => {
		const directory = newDirectory();
		const policies = new HotSwitchPolicies(directory, silentLog);
		policies.receive(web, policy);
		await policies.close();
		const [name = ""] = readdirSync(directory);
		writeFileSync(join(directory, name), '{"enabled":true}');
		const next = new HotSwitchPolicies(directory, silentLog);
		assert.equal(next.of(web), undefined);
		next.receive(web, policy);
		await next.close();
		assert.deepEqual(new HotSwitchPolicies(directory, silentLog).of(web), policy);
	});
});

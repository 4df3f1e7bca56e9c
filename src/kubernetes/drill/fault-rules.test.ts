import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, describe, it } from "node:test";
import { cutRules, partRules } from "./fault-rules.ts";
import { holdRules } from "./held-rules.ts";

const router = { address: "10.88.0.100", virtualRouterId: 240 };
const name = `kmfault${process.pid}`;
const isRoot = process.getuid?.() === 0;

describe("a virtual IP that is cut off", () => {
	it("is met alone: its address, and adverts of its virtual router", () => {
		const rules = [...cutRules(router), ...partRules(router, ["10.88.0.11"], false)].filter((one) => /drop/.test(one));
		for (const one of rules) assert.match(one, /10\.88\.0\.100|@th,8,8 240/, one);
	});

	it("takes the heartbeats along only where no other address has them", () => {
		const heartbeats = (also: boolean) => partRules(router, ["10.88.0.11"], also).filter((one) => /15112/.test(one));
		assert.deepEqual([heartbeats(false).length, heartbeats(true).length], [0, 1]);
	});
});

describe("rules that a process holds", { skip: isRoot ? undefined : "needs root" }, () => {
	const tables = (): string =>
		execFileSync("ip", ["netns", "exec", name, "nft", "list", "tables"], { encoding: "utf8" });
	before(() => execFileSync("ip", ["netns", "add", name]));
	after(() => execFileSync("ip", ["netns", "del", name]));

	for (const [what, rules] of [
		["cut a node off", cutRules(router)],
		["part two nodes", partRules(router, ["10.88.0.11", "10.88.0.12"], true)],
	] as const)
		it(`${what} until they are lifted`, async () => {
			const held = await holdRules(`/run/netns/${name}`, rules, 60_000);
			assert.match(tables(), /table inet keepmesh-drill\ntable arp keepmesh-drill/);
			await held.lift();
			assert.equal(tables(), "");
		});

	it("go by themselves when their time is over", async () => {
		await holdRules(`/run/netns/${name}`, cutRules(router), 50);
		for (let asked = 0; tables() !== "" && asked < 100; asked++) await new Promise((done) => setTimeout(done, 50));
		assert.equal(tables(), "");
	});

	it("are all or none: what nft refuses leaves nothing", async () => {
		const broken = [...cutRules(router), "add rule inet keepmesh-drill nowhere drop"];
		await assert.rejects(holdRules(`/run/netns/${name}`, broken, 60_000), /nft does not take the rules: .*Error/s);
		assert.equal(tables(), "");
	});
});

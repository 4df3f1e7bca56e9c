import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { describe, it } from "node:test";
import { cutOff, refuseCalls, removeTable } from "./shut-rules.ts";

const noNamespace =
	spawnSync("unshare", ["--net", "nft", "list", "ruleset"]).status === 0 ? false : "needs root and nft";

/** In a network namespace that is gone with the shell. */
const inNamespace = (...commands: readonly string[]): string =>
	execFileSync("unshare", ["--net", "sh", "-ec", commands.join("\n")], { encoding: "utf8" });

describe("rules that keep control planes away", { skip: noNamespace }, () => {
	it("refuse calls of some ports, and come twice without harm", () => {
		const listed = inNamespace(refuseCalls([15_010, 15_012]), refuseCalls([15_010, 15_012]), "nft list ruleset");
		assert.match(listed, /iifname != "lo" tcp dport \{ 15010, 15012 \} reject with tcp reset/);
		assert.equal(listed.match(/reject/g)?.length, 1);
	});

	it("drop what a node and control planes of either family say to each other", () => {
		const listed = inNamespace(cutOff(["10.244.1.9", "fd00::9", "10.244.2.9"], 15_012), "nft list ruleset");
		assert.match(listed, /ip daddr \{ 10\.244\.1\.9, 10\.244\.2\.9 \} tcp dport 15012 drop/);
		assert.match(listed, /ip saddr \{ 10\.244\.1\.9, 10\.244\.2\.9 \} tcp sport 15012 drop/);
		assert.match(listed, /ip6 daddr (?:\{ )?fd00::9(?: \})? tcp dport 15012 drop/);
	});

	it("are gone when they are taken back, as often as that is done", () => {
		assert.equal(inNamespace(cutOff(["10.0.0.1"], 15_012), removeTable, removeTable, "nft list ruleset"), "");
	});
});

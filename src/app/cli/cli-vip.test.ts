// keepmesh vip check and import, as they are typed: streams, exit codes, and files that include others.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { keepmesh } from "./cli.testing.ts";

const conf = (priority: number, more = "") =>
	`vrrp_instance VI_1 {\n  interface eth0\n  virtual_router_id 51\n  priority ${priority}\n  authentication {\n    auth_type PASS\n    auth_pass geheim\n  }\n  virtual_ipaddress {\n    10.9.0.100/24\n  }\n  ${more}\n}\n`;

describe("keepmesh vip", () => {
	let directory = "";
	const path = (name: string): string => join(directory, name);
	before(() => {
		directory = mkdtempSync(join(tmpdir(), "keepmesh-vip-cli-"));
		mkdirSync(path("conf.d"));
		writeFileSync(path("a.conf"), conf(150));
		writeFileSync(path("b.conf"), conf(100));
		writeFileSync(path("bad.conf"), conf(100, "prioritty 5"));
		writeFileSync(path("main.conf"), "include conf.d/*.conf\n");
		writeFileSync(path("conf.d/one.conf"), conf(120));
	});
	after(() => rmSync(directory, { recursive: true, force: true }));

	it("check prints the plan, with what it includes, and exits 0", async () => {
		const { code, stdout, stderr } = await keepmesh(["vip", "check", path("main.conf")]);
		assert.equal(code, 0, stderr);
		assert.match(stdout, /VI_1: VRRP version 2, VRID 51 on eth0/);
		assert.match(stdout, /priority {3}120/);
	});

	it("check ends with 65 and names the line of what is wrong", async () => {
		const { code, stderr } = await keepmesh(["vip", "check", path("bad.conf")]);
		assert.equal(code, 65);
		assert.match(stderr, /bad\.conf:12:1.*prioritty/);
		assert.match(stderr, /next: .*keepmesh vip check/);
	});

	it("check prints JSON alone on stdout, without passwords", async () => {
		const { code, stdout } = await keepmesh(["vip", "check", path("a.conf"), path("b.conf"), "-o", "json"]);
		assert.equal(code, 0);
		const read = JSON.parse(stdout) as {
			valid: boolean;
			files: { config: { instances: unknown[] } }[];
			problems: unknown[];
		};
		assert.deepEqual(
			[read.valid, read.files.length, read.files[0]?.config.instances.length, read.problems],
			[true, 2, 1, []],
		);
		assert.doesNotMatch(stdout, /geheim/);
	});

	it("import prints resources that validate, and no password", async () => {
		const { code, stdout, stderr } = await keepmesh(["vip", "import", path("a.conf"), path("b.conf")]);
		assert.equal(code, 0, stderr);
		assert.match(stdout, /kind: VirtualIP/);
		assert.match(stdout, /- node: a\n {6}priority: 150/);
		assert.doesNotMatch(stdout + stderr, /geheim/);
		const validated = await keepmesh(["validate", "-f", "-"], { stdin: stdout });
		assert.equal(validated.code, 0, validated.stdout + validated.stderr);
	});

	it("says which file is not there, and which names of nodes are missing", async () => {
		assert.equal((await keepmesh(["vip", "check", path("none.conf")])).code, 66);
		const { code, stderr } = await keepmesh(["vip", "import", path("a.conf"), path("b.conf"), "--node", "x"]);
		assert.equal(code, 64);
		assert.match(stderr, /2 files and 1 names of nodes/);
	});
});

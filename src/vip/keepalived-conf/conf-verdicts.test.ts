// Verdicts of the real `keepalived -t` beside Keepmesh's: what it reports is reported here, and nothing more under that code.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, describe, it } from "node:test";
import { corpus } from "./conf-corpus.testing.ts";
import { parseKeepalivedConf } from "./parse-keepalived-conf.ts";

const version = spawnSync("keepalived", ["-v"], { encoding: "utf8" });
const isThere = version.error === undefined && /v2\.2\./.test(version.stderr + version.stdout);
const inputs = resolve(import.meta.dirname, "../../../../shared/inputs/keepalived");
const noFiles = { read: () => undefined, glob: () => [] };

function verdict(path: string): { readonly code: number | null; readonly said: string } {
	const run = spawnSync("keepalived", ["-t", "-f", path, "-i", "host"], { encoding: "utf8", timeout: 20_000 });
	return { code: run.status, said: run.stdout + run.stderr };
}

function ours(path: string, text: string): readonly string[] {
	const { problems } = parseKeepalivedConf(path, text, { configId: "host", files: noFiles });
	return problems.filter(({ code }) => code === "KA").map(({ message }) => message);
}

describe("verdicts", { skip: isThere ? false : "keepalived 2.2 is not installed" }, () => {
	const directory = mkdtempSync(join(tmpdir(), "keepmesh-conf-"));
	after(() => rmSync(directory, { recursive: true, force: true }));

	for (const { name, text, difference } of corpus) {
		it(`${name}: ${difference ?? "the same as keepalived's"}`, () => {
			const path = join(directory, "keepalived.conf");
			writeFileSync(path, text);
			const { code, said } = verdict(path);
			const problems = ours(path, text);
			if (difference === undefined)
				assert.equal(problems.length > 0, code !== 0, `keepalived ${code}: ${said}ours: ${problems.join("; ")}`);
		});
	}
});

describe("files from the field", { skip: existsSync(inputs) ? false : "they are not there" }, () => {
	for (const name of existsSync(inputs) ? readdirSync(inputs) : []) {
		const path = join(inputs, name);
		it(`${name} is read without an unknown directive`, () => {
			const { config, servers, problems } = parseKeepalivedConf(path, readFileSync(path, "utf8"), { configId: "host" });
			assert.deepEqual(
				problems.filter(({ severity }) => severity === "error"),
				[],
			);
			const text = readFileSync(path, "utf8").replace(/^\s*[#!].*$/gm, "");
			assert.equal(config.instances.length, text.match(/^vrrp_instance/gm)?.length ?? 0);
			assert.equal(servers.servers.length, text.match(/^virtual_server /gm)?.length ?? 0);
			assert.equal(
				servers.servers.flatMap(({ realServers }) => realServers).length,
				text.match(/^\s*real_server/gm)?.length ?? 0,
			);
		});

		it(`${name}: what keepalived says of it, but for this machine's interfaces and scripts, is said`, {
			skip: !isThere,
		}, () => {
			const { said } = verdict(path);
			const own = said.split("\n").filter((line) => line !== "" && !/exist|not found\/accessible/.test(line));
			assert.equal(ours(path, readFileSync(path, "utf8")).length > 0, own.length > 0, said);
		});
	}
});

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { silentLog } from "../runtime/log.ts";
import { VirtualClock } from "../runtime/virtual-clock.ts";
import { encodeNameTable } from "../xds/name-table-codec.ts";
import { NameTables } from "./name-tables.ts";

const bytes = (names: Readonly<Record<string, string>>): Uint8Array =>
	encodeNameTable(
		new Map(
			Object.entries(names).map(([name, ip]) => [name, { ips: [ip], registry: "", shortname: "", namespace: "" }]),
		),
	);

describe("the names a node keeps for its DNS", () => {
	let directory = "";
	let path = "";
	let clock = new VirtualClock();

	beforeEach(() => {
		directory = mkdtempSync(join(tmpdir(), "keepmesh-names-"));
		path = join(directory, "name-table.json");
		clock = new VirtualClock();
	});
	afterEach(() => rmSync(directory, { recursive: true }));

	const open = (): NameTables => {
		const tables = new NameTables(path, { clock, log: silentLog });
		tables.open();
		return tables;
	};
	const settled = async (expected: object) => {
		clock.advance(50);
		const text = JSON.stringify(expected);
		for (let tries = 0; tries < 200; tries++) {
			await new Promise((resolve) => setTimeout(resolve, 2));
			try {
				if (JSON.stringify(JSON.parse(readFileSync(path, "utf8")).names) === text) return;
			} catch {
				// Not written yet.
			}
		}
		assert.equal(readFileSync(path, "utf8"), text);
	};

	it("are those of all proxies, as soon as they come", async () => {
		const tables = open();
		tables.receive("p1", bytes({ a: "10.0.0.1" }));
		tables.receive("p2", bytes({ b: "10.0.0.2" }));
		await settled({ a: ["10.0.0.1"], b: ["10.0.0.2"] });
		tables.forget("p1");
		await settled({ b: ["10.0.0.2"] });
	});

	it("of an earlier agent stay until every proxy has delivered again", async () => {
		writeFileSync(path, '{"names":{"a":["10.0.0.9"],"old":["10.0.0.3"]}}');
		const tables = open();
		tables.expect("p1");
		tables.expect("p2");
		tables.receive("p1", bytes({ a: "10.0.0.1" }));
		await settled({ a: ["10.0.0.1"], old: ["10.0.0.3"] });
		tables.receive("p2", bytes({ b: "10.0.0.2" }));
		await settled({ a: ["10.0.0.1"], b: ["10.0.0.2"] });
	});

	it("of an earlier agent go after a minute even when a proxy never delivers", async () => {
		writeFileSync(path, '{"names":{"old":["10.0.0.3"]}}');
		const tables = open();
		tables.expect("p1");
		tables.expect("p2");
		tables.receive("p1", bytes({ a: "10.0.0.1" }));
		clock.advance(61_000);
		await settled({ a: ["10.0.0.1"] });
	});

	it("stay when a table cannot be read", async () => {
		const tables = open();
		tables.receive("p1", bytes({ a: "10.0.0.1" }));
		tables.receive("p1", Uint8Array.of(0x0a, 0xff));
		await settled({ a: ["10.0.0.1"] });
	});
});

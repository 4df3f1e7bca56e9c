import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { readApiObject } from "./read-api-object.ts";
import type { SourceRecord } from "./source-record.ts";
import { sourceRecordFile } from "./source-record-file.ts";
import { coreKinds } from "./watched-kinds.ts";

describe("the file of what an API server said last", () => {
	let directory: string;
	let path: string;
	beforeEach(() => {
		directory = mkdtempSync(join(tmpdir(), "keepmesh-record-"));
		path = join(directory, "source.gz");
	});
	afterEach(() => rmSync(directory, { recursive: true }));

	const service = (at: number) =>
		readApiObject("Service", {
			apiVersion: "v1",
			kind: "Service",
			metadata: { name: `s-${at}`, namespace: "default", uid: `u-${at}`, resourceVersion: String(at) },
			spec: { clusterIP: "10.96.0.9", ports: [{ name: "http", port: 80, targetPort: "web" }] },
		});
	const record = (count: number): SourceRecord => ({
		server: "https://10.96.0.1:443",
		definitions: coreKinds.map((watched) => ({ name: watched.resource.plural, watched })),
		objects: Array.from({ length: count }, (_, at) => service(at)),
	});
	const uselessBecause = (version: string): string => {
		let because = "";
		const loaded = sourceRecordFile(path, version).load((text) => {
			because = text;
		});
		assert.equal(loaded, undefined);
		return because;
	};

	it("gives back what was written, with its time, and is its owner's alone", async () => {
		const file = sourceRecordFile(path, "1.0");
		const written = record(2_000);
		await file.save(written, 1_000_000);
		assert.deepEqual(file.load(assert.fail), { record: written, asOfMs: 1_000_000 });
		file.confirm(2_000_000);
		assert.equal(file.load(assert.fail)?.asOfMs, 2_000_000);
		assert.equal(statSync(path).mode & 0o777, 0o600);
		assert.deepEqual(readdirSync(directory), ["source.gz"]);
	});

	it("is of no use to another version, or when a part of it is missing, and says so", async () => {
		assert.equal(uselessBecause("1.0"), "");
		await sourceRecordFile(path, "1.0").save(record(3), 1_000);
		assert.match(uselessBecause("1.1"), /version 1\.0 wrote it/);
		writeFileSync(path, readFileSync(path).subarray(0, -20));
		assert.match(uselessBecause("1.0"), /source\.gz: /);
	});

	it("stays as it was when the next one cannot be written", async () => {
		const file = sourceRecordFile(path, "1.0");
		await file.save(record(1), 1_000);
		const broken = { ...record(1), objects: [{ ...service(1), uid: 1n as unknown as string }] };
		await assert.rejects(file.save(broken, 2_000));
		assert.equal(file.load(assert.fail)?.asOfMs, 1_000);
		assert.deepEqual(readdirSync(directory), ["source.gz"]);
	});
});

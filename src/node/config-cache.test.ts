import assert from "node:assert/strict";
import {
	appendFileSync,
	chmodSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	truncateSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { DeltaDiscoveryResponseSchema } from "../envoy/gen/envoy/service/discovery/v3/discovery_pb.ts";
import { silentLog } from "../runtime/log.ts";
import { VirtualClock } from "../runtime/virtual-clock.ts";
import { typeUrls } from "../xds/resource.ts";
import { ConfigCache } from "./config-cache.ts";

const base = mkdtempSync(join(tmpdir(), "keepmesh-config-cache-"));
after(() => rmSync(base, { recursive: true }));
let made = 0;

function setUp(directory = join(base, String(made++)), options: { readonly maxBytes?: number } = {}) {
	const said: string[] = [];
	const note = (facts: object, message: string): void => void said.push(`${message} ${JSON.stringify(facts)}`);
	const clock = new VirtualClock();
	const cache = new ConfigCache(directory, { log: { ...silentLog, warn: note, error: note }, clock }, options);
	const accept = (
		contents: object,
		removed: readonly string[] = [],
		isFirst = false,
		typeUrl: string = typeUrls.cluster,
	) => {
		const resources = Object.entries(contents).map(([name, version]) => ({
			name,
			version,
			resource: { typeUrl, value: new Uint8Array(2000) },
		}));
		const response = create(DeltaDiscoveryResponseSchema, { typeUrl, resources, removedResources: [...removed] });
		cache.accept("p", { typeUrl, bytes: toBinary(DeltaDiscoveryResponseSchema, response), isFirst });
	};
	const kept = async (typeUrl: string = typeUrls.cluster): Promise<object | undefined> => {
		const part = (await cache.load("p"))?.get(typeUrl)?.parts[0];
		return part && Object.fromEntries([...part.resources.values()].map(({ name, version }) => [name, version]));
	};
	const file = (): string => join(directory, readdirSync(directory)[0] ?? "none");
	/** Damages one byte, counted from the end when negative. */
	const flip = (at: number): void => {
		const bytes = readFileSync(file());
		const index = at < 0 ? bytes.length + at : at;
		bytes[index] = (bytes[index] ?? 0) ^ 0x10;
		writeFileSync(file(), bytes);
	};
	return { cache, accept, kept, directory, file, flip, said, clock };
}

describe("what a proxy accepted last", () => {
	it("is what it accepted one after the other, less what was removed", async () => {
		const { accept, kept, cache } = setUp();
		assert.equal(cache.has("p"), false);
		accept({ a: "1", b: "1" }, [], true);
		accept({ a: "2", c: "1" }, ["b"]);
		assert.deepEqual(await kept(), { a: "2", c: "1" });
		assert.equal(cache.has("p"), true);
	});

	it("forgets what was kept of a type when the proxy began anew", async () => {
		const { accept, kept } = setUp();
		accept({ old: "1" }, [], true);
		accept({ route: "1" }, [], true, typeUrls.route);
		accept({ new: "1" }, [], true);
		assert.deepEqual(await kept(), { new: "1" });
		assert.deepEqual(await kept(typeUrls.route), { route: "1" });
	});

	it("has no secrets in it, and belongs to root alone", async () => {
		const { accept, kept, directory, file } = setUp();
		accept({ key: "1" }, [], true, typeUrls.secret);
		assert.equal(await kept(typeUrls.secret), undefined);
		accept({ a: "1" });
		await kept();
		assert.equal(statSync(file()).mode & 0o777, 0o600);
		assert.equal(statSync(directory).mode & 0o777, 0o700);
	});

	it("survives an agent that was killed while it wrote, and what comes after is not lost", async () => {
		const before = setUp();
		before.accept({ a: "1" }, [], true);
		before.accept({ b: "1" });
		await before.kept();
		truncateSync(before.file(), statSync(before.file()).size - 7);
		const after = setUp(before.directory);
		assert.deepEqual(await after.kept(), { a: "1" });
		after.accept({ c: "1" });
		assert.deepEqual(await after.kept(), { a: "1", c: "1" });
	});

	it("of a file that ends in garbage is what came before", async () => {
		const { accept, kept, file } = setUp();
		accept({ a: "1" }, [], true);
		await kept();
		appendFileSync(file(), Buffer.from([0, 0, 0, 3, 0, 255, 255, 255]));
		assert.deepEqual(await kept(), { a: "1" });
	});

	it("does not grow for ever", async () => {
		const { accept, kept, file } = setUp();
		for (let version = 0; version < 1000; version++) accept({ a: String(version) }, [], version === 0);
		assert.deepEqual(await kept(), { a: "999" });
		assert.ok(statSync(file()).size < 600_000, `${statSync(file()).size} bytes`);
	});

	it("goes with the proxy, and of proxies that went while no agent ran", async () => {
		const { cache, accept, kept, directory } = setUp();
		accept({ a: "1" });
		await cache.forget("p");
		assert.equal(await kept(), undefined);
		accept({ a: "1" });
		await kept();
		await cache.keep(["other"]);
		assert.deepEqual(readdirSync(directory), []);
	});

	it("is not there when only differences to something unknown were accepted", async () => {
		const { accept, kept } = setUp();
		accept({ a: "1" });
		assert.equal(await kept(), undefined);
	});

	it("is known by names and versions", async () => {
		const { cache, accept } = setUp();
		assert.deepEqual(await cache.versions("p"), new Map());
		accept({ a: "1", b: "2" }, [], true);
		accept({}, ["a"]);
		assert.deepEqual(await cache.versions("p"), new Map([[typeUrls.cluster, new Map([["b", "2"]])]]));
	});

	it("says since when it is", async () => {
		const { cache, accept, kept, clock, directory } = setUp();
		assert.equal((await cache.loadWithTime("p")).sinceMs, undefined);
		accept({ a: "1" }, [], true);
		clock.advance(5_000);
		accept({ a: "2" });
		clock.advance(5_000);
		await kept();
		assert.equal((await cache.loadWithTime("p")).sinceMs, clock.wallMs() - 5_000);
		assert.equal((await setUp(directory).cache.loadWithTime("p")).sinceMs, clock.wallMs() - 5_000);
	});
});

describe("a kept file that is damaged", () => {
	/** A first agent kept `a`, folded, and then `b`; another finds the file. */
	async function found() {
		const first = setUp();
		first.accept({ a: "1" }, [], true);
		await first.cache.close();
		const folding = setUp(first.directory);
		folding.accept({ b: "1" });
		await folding.cache.close();
		return setUp(first.directory);
	}

	it("where it was folded is set aside, told, counted, and nothing of it is served", async () => {
		const { cache, kept, flip, directory, said } = await found();
		flip(1000);
		assert.equal(await kept(), undefined);
		assert.equal(cache.has("p"), false);
		assert.deepEqual(readdirSync(directory), ["p.xds.corrupt-1"]);
		assert.equal(statSync(join(directory, "p.xds.corrupt-1")).mode & 0o777, 0o600);
		assert.match(said.join("\n"), /set aside.*p\.xds\.corrupt-1/);
		assert.equal(cache.status().setAside, 1);
	});

	it("in what came after the fold is set aside too; what was whole before the damage is served", async () => {
		const { cache, accept, kept, flip, directory } = await found();
		flip(-100);
		assert.deepEqual(await kept(), { a: "1" });
		assert.deepEqual(readdirSync(directory).sort(), ["p.xds", "p.xds.corrupt-1"]);
		assert.equal(cache.status().setAside, 1);
		accept({ c: "1" });
		assert.deepEqual(await kept(), { a: "1", c: "1" });
		assert.equal(cache.status().setAside, 1);
	});

	it("in a record's length does not hide behind a record that seems cut off", async () => {
		const { kept, flip, file, cache } = await found();
		const recordBytes = 2100;
		const at = readFileSync(file()).length - recordBytes;
		const zeros = readFileSync(file()).indexOf(Buffer.from([0, 0, 8]), at - 100);
		assert.ok(zeros > 0);
		flip(zeros);
		await kept();
		assert.equal(cache.status().setAside, 1);
	});

	it("of another format is set aside, and the log says which", async () => {
		const { kept, file, directory, said } = await found();
		const bytes = readFileSync(file());
		bytes.write("9", bytes.indexOf("\n") - 1);
		writeFileSync(file(), bytes);
		assert.equal(await kept(), undefined);
		assert.deepEqual(readdirSync(directory), ["p.xds.corrupt-1"]);
		assert.match(said.join("\n"), /format 9/);
	});

	it("or empty, or some other file, is set aside", async () => {
		for (const content of ["", "hello"]) {
			const { cache, kept, file } = await found();
			writeFileSync(file(), content);
			assert.equal(await kept(), undefined);
			assert.equal(cache.status().setAside, 1);
		}
	});

	it("is set aside at most three times for each proxy, the newest first; they go with the proxy", async () => {
		const { cache, accept, kept, directory } = setUp();
		for (let round = 0; round < 5; round++) {
			writeFileSync(join(directory, "p.xds"), `garbage ${round}`);
			await kept();
		}
		assert.deepEqual(readdirSync(directory).sort(), ["p.xds.corrupt-1", "p.xds.corrupt-2", "p.xds.corrupt-3"]);
		assert.equal(readFileSync(join(directory, "p.xds.corrupt-1"), "utf8"), "garbage 4");
		accept({ a: "1" }, [], true);
		assert.deepEqual(await kept(), { a: "1" });
		await cache.keep(["p"]);
		assert.equal(readdirSync(directory).length, 4);
		await cache.forget("p");
		assert.deepEqual(readdirSync(directory), []);
	});

	it("by zeros at its end, as a machine leaves them that lost its power, is what came before", async () => {
		const { cache, kept, file } = await found();
		appendFileSync(file(), Buffer.alloc(4096));
		assert.deepEqual(await kept(), { a: "1", b: "1" });
		assert.equal(cache.status().setAside, 0);
	});
});

describe("the limits of what is kept", () => {
	it("a proxy whose configuration is larger has none kept, which is told once and counted", async () => {
		const { accept, kept, cache, directory, said } = setUp(undefined, { maxBytes: 10_000 });
		for (let version = 0; version < 20; version++) accept({ a: String(version) }, [], version === 0);
		assert.deepEqual(await kept(), { a: "19" });
		accept({ b: "1", c: "1", d: "1", e: "1" });
		accept({ b: "2" });
		assert.equal(await kept(), undefined);
		assert.deepEqual(readdirSync(directory), []);
		assert.deepEqual(cache.status().tooLarge, ["p"]);
		assert.equal(said.filter((line) => line.includes("too large")).length, 1);
	});

	it("it is kept again from where the proxy begins anew with less", async () => {
		const { accept, kept, cache } = setUp(undefined, { maxBytes: 10_000 });
		accept({ a: "1", b: "1", c: "1", d: "1", e: "1" }, [], true);
		assert.equal(await kept(), undefined);
		accept({ a: "2" }, [], true);
		assert.deepEqual(await kept(), { a: "2" });
		assert.deepEqual(cache.status().tooLarge, []);
	});

	it("the directory belongs to root alone, also when it was wider before", () => {
		const directory = join(base, String(made++));
		mkdirSync(directory);
		chmodSync(directory, 0o755);
		setUp(directory);
		assert.equal(statSync(directory).mode & 0o777, 0o700);
	});
});

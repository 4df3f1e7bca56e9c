import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { DeltaDiscoveryResponseSchema } from "../envoy/gen/envoy/service/discovery/v3/discovery_pb.ts";
import { silentLog } from "../runtime/log.ts";
import { typeUrls } from "../xds/resource.ts";
import { ConfigCache } from "./config-cache.ts";

const base = mkdtempSync(join(tmpdir(), "keepmesh-config-cache-"));
after(() => rmSync(base, { recursive: true }));
let made = 0;

function setUp(directory = join(base, String(made++))) {
	const cache = new ConfigCache(directory, silentLog);
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
	return { cache, accept, kept, directory, file };
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
		for (let version = 0; version < 1000; version++) accept({ a: String(version) });
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
});

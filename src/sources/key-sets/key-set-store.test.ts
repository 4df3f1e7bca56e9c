// Key sets on disk.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { keySetDirectory } from "./key-set-store.ts";

describe("keySetDirectory", () => {
	const root = mkdtempSync(join(tmpdir(), "keepmesh-key-sets-"));
	after(() => rmSync(root, { recursive: true, force: true }));
	const keys = JSON.stringify({ keys: [{ kty: "RSA", kid: "a", n: "AQAB", e: "AQAB" }] });
	const uri = "https://issuer.example/keys?tenant=1";

	it("gives back what was saved, readable by its owner only", () => {
		const directory = join(root, "kept");
		keySetDirectory(directory).save(uri, { keys, fetchedWallMs: 7 });
		assert.deepEqual(keySetDirectory(directory).load(), new Map([[uri, { keys, fetchedWallMs: 7 }]]));
		assert.equal(statSync(directory).mode & 0o777, 0o700);
		for (const name of readdirSync(directory)) assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600);
		keySetDirectory(directory).forget(uri);
		assert.equal(keySetDirectory(directory).load().size, 0);
		assert.deepEqual(readdirSync(directory), []);
	});

	it("has nothing where there is no directory", () => {
		assert.equal(keySetDirectory(join(root, "absent")).load().size, 0);
	});

	it("passes over files that are broken, strange or another's", () => {
		const directory = join(root, "broken");
		const store = keySetDirectory(directory);
		store.save(uri, { keys, fetchedWallMs: 7 });
		const name = readdirSync(directory)[0] ?? "";
		const other = { uri: "https://other.example/", fetchedWallMs: 1, keys: JSON.parse(keys) };
		writeFileSync(join(directory, `${"0".repeat(32)}.json`), JSON.stringify(other));
		writeFileSync(join(directory, `${"1".repeat(32)}.json`), "{");
		writeFileSync(join(directory, "notes.txt"), "hello");
		assert.deepEqual([...store.load().keys()], [uri]);
		const withSecret = { uri, fetchedWallMs: 1, keys: { keys: [{ kty: "oct", k: "secret" }] } };
		writeFileSync(join(directory, name), JSON.stringify(withSecret));
		assert.equal(store.load().size, 0);
	});
});

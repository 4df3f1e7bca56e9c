import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Dice } from "../../runtime/seeded-random.testing.ts";
import { areSame, dataOf, filesOf, keyOfPath, pathOfKey, planMirror } from "./secret-files.ts";

const files = (content: Readonly<Record<string, string>>): ReadonlyMap<string, string> =>
	new Map(Object.entries(content));

describe("the files of an authority in a Secret", () => {
	const shared = [
		["versions/000001.json", "versions_000001.json"],
		["keys/0a1b.pem", "keys_0a1b.pem"],
		["tokens/0123456789abcdef.used", "tokens_0123456789abcdef.used"],
		["registrations/n1.example.com.json", "registrations_n1.example.com.json"],
		["registrations/odd_name.json", "registrations_odd_name.json"],
		["rotation.json", "rotation.json"],
		["roots.pem", "roots.pem"],
	] as const;
	for (const [path, key] of shared)
		it(`have ${path} as ${key}`, () => {
			assert.equal(keyOfPath(path), key);
			assert.equal(pathOfKey(key), path);
			assert.match(key, /^[-._a-zA-Z0-9]+$/);
		});

	for (const path of [
		"acknowledged/c1.json",
		"rotation.lock",
		"note",
		".tmp",
		"keys/.tmp",
		"keys/a/b",
		"../x",
		"keys/../x",
	])
		it(`have nothing of ${path}`, () => assert.equal(keyOfPath(path), undefined));

	for (const key of ["keys_..", "keys_../x", "_x", "..", "other_file.json", "README_first", "keys_"])
		it(`take ${key} for somebody else's`, () => assert.equal(pathOfKey(key), undefined));

	it("come back as they were, beside what somebody else put there", () => {
		const content = files({ "keys/a.pem": "ä\n", "rotation.json": "{}" });
		const data = dataOf(content, { note: "bm90ZQ==", README_first: "eA==", "keys_gone.pem": "eA==" });
		assert.deepEqual(Object.keys(data).sort(), ["README_first", "keys_a.pem", "note", "rotation.json"]);
		assert.ok(areSame(filesOf(data), content));
	});
});

describe("the way from one content of a directory to another", () => {
	it("writes keys before the versions that name them, and takes versions away before their keys", () => {
		const plan = planMirror(
			files({ "keys/old.pem": "1", "versions/000001.json": "1", "rotation.json": "same" }),
			files({ "versions/000002.json": "2", "keys/new.pem": "2", "rotation.json": "same" }),
		);
		assert.deepEqual(
			plan.write.map(({ path }) => path),
			["keys/new.pem", "versions/000002.json"],
		);
		assert.deepEqual(plan.remove, ["versions/000001.json", "keys/old.pem"]);
	});

	it("always ends with what was wanted (seeded walks)", () => {
		const names = ["keys/a", "keys/b", "versions/1", "versions/2", "rotation.json", "tokens/t"] as const;
		for (let seed = 1; seed <= 200; seed++) {
			const dice = new Dice(seed);
			const some = () =>
				new Map(names.flatMap((name) => (dice.chance(0.5) ? [[name, String(dice.below(3))] as const] : [])));
			const [have, wanted] = [some(), some()];
			const { remove, write } = planMirror(have, wanted);
			const now = new Map<string, string>(have);
			for (const { path, content } of write) now.set(path, content);
			for (const path of remove) now.delete(path);
			assert.ok(areSame(now, wanted), `seed ${seed}`);
			assert.ok(
				write.every(({ path, content }) => have.get(path as (typeof names)[number]) !== content),
				`seed ${seed}`,
			);
		}
	});
});

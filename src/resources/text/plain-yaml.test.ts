import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parse, stringify } from "yaml";
import { parsePlainYaml } from "./plain-yaml.ts";
import { splitYaml } from "./split-yaml.ts";

const parsePlain = (text: string) => parsePlainYaml({ text, line: 1, column: 1 });

/** What the complete parser makes of it; undefined when it refuses. */
function parseFully(text: string): { readonly value: unknown } | undefined {
	try {
		return { value: parse(text, { merge: true, logLevel: "silent" }) };
	} catch {
		return undefined;
	}
}

describe("parsePlainYaml", () => {
	it("reads block mappings, lists, scalars and comments", () => {
		const text = `# first
a: 1 # one
b:
- x
-   c: 'it''s'
    d: "q\\"\\u00e9"
- - 1
  - ~
-
  e: {}
f:
    g: []
    h: http://a.b:80/c#d
    i: 10.1.2.3
    j: 1.5
    k: yes
    l:
"m": a - b, c? [d]
n: -1
o: 007
`;
		assert.deepEqual(parsePlain(text)?.value, parse(text));
	});

	const cases = [
		"a: b: c",
		"a:\n  b\n  c",
		"a: b\n c: d",
		"a: 1\n b: 2",
		"a:\n b: 1\n  c: 2",
		"a: 1\na: 2",
		"a: &x 1",
		"a: *x",
		"a: !!str 1",
		"a: |\n  x",
		"a: >-\n  x",
		"a: [b]",
		"a: {b: c}",
		"? a\n: b",
		"a: 'x",
		"a: 'x' y",
		"a: 'x' # y",
		'a: "x\\x41"',
		"a:\tb",
		"- a\nb: c",
		"a: b\n- c",
		"a:\n- b\nc: d",
		"a:\n  - b\n c: d",
		"a: 0x1f",
		"a: 0o17",
		"a: .inf",
		"a: .5",
		"a: 1e3",
		"a: +1",
		"a: 1_000",
		"a: 2026-01-31",
		"a: ~",
		"a: Null",
		"null: a",
		"1: a",
		"1.0: a",
		"true: a",
		"<<: a",
		"__proto__: a",
		"a b: c",
		"a:b",
		"a:b: c",
		"a #b: c",
		"a: b #c",
		"a: b#c",
		"a: #c",
		"-",
		"- -",
		"-a: b",
		"- a: b\n  c: d\n- e",
		"-   a: b\n    c: d",
		"-   a: b\n  c: d",
		"---\na: b",
		"--- a",
		"---\n---\na: b",
		"a: b\n...",
		"%YAML 1.2\n---\na: b",
		"a",
		"'a'",
		"",
		"# x",
		"a: b\\",
		"a: @b",
		"a: `b",
		"a: %b",
		"a: ,b",
		"a: -",
		"a: ?b",
		"a: :b",
		"a: b:",
		"a: - b",
		"a:\n\n\n  b: c",
		'a: "b\n  c"',
		"é: ü",
		"a: 'ü'",
		"\ufeffa: b",
		"a:\n    - b\n    -   - c\n        - d",
		"a: 'b': c",
		"'a' : b",
		"a : b",
		"- 'a': b",
		'- "a":b',
		"a: 12345678901234567890",
		"a: 1.",
		"a: -",
		"a: --",
		"a: -.5",
		"a: 0",
		"a: -0",
		"a: 1 2",
		"items:\n- a: b\n- c",
		"a: 'x''y'",
		"a: ''''",
		'a: "\\\\"',
		'a: "\\/"',
		"a: b ",
		" a: b\n c: d",
		" a: b\nc: d",
	];
	for (const text of cases)
		it(`agrees with the complete parser on ${JSON.stringify(text)}, or leaves it alone`, () => {
			const plain = parsePlain(text);
			if (!plain) return;
			const full = parseFully(text);
			assert.ok(full, "the complete parser refuses it");
			assert.deepEqual(plain.value, full.value);
		});

	it("agrees with the complete parser on whatever that one writes", () => {
		let seed = 20260131;
		const random = (below: number): number => {
			seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
			return Math.floor((seed / 2 ** 32) * below);
		};
		const texts = [
			"",
			"a",
			"a b",
			"a: b",
			"a #b",
			"-",
			"- a",
			"1",
			"1.5",
			"true",
			"null",
			"~",
			"'",
			'"',
			"\\",
			"[a]",
			"{a}",
			"&a",
			"*a",
			"!a",
			"|",
			">",
			"%a",
			"@a",
			"a:",
			":a",
			"#",
			"é\u2028",
			"a\nb",
			" a ",
			"\t",
			"0x1",
			"1e3",
			"yes",
			"2026-01-31T12:00:00Z",
			"10.1.2.3",
			"*.example.com",
			"a/b",
			"\u0007",
		];
		const value = (depth: number): unknown => {
			switch (depth > 4 ? random(3) : random(6)) {
				case 0:
					return [null, true, false, 0, -1, 1.5, 1e21][random(7)];
				case 1:
				case 2:
					return texts[random(texts.length)];
				case 3:
				case 4:
					return Object.fromEntries(
						Array.from({ length: random(4) }, (_, at) => [
							random(4) === 0 ? `${texts[random(texts.length)]}${at}` : `key${at}`,
							value(depth + 1),
						]),
					);
				default:
					return Array.from({ length: random(4) }, () => value(depth + 1));
			}
		};
		let taken = 0;
		for (let round = 0; round < 3_000; round++) {
			const original = { top: value(0) };
			const text = stringify(original, { indentSeq: random(2) === 0, lineWidth: random(3) === 0 ? 0 : 80 });
			const plain = parsePlain(text);
			if (!plain) continue;
			taken++;
			assert.deepEqual(plain.value, original, `round ${round}:\n${text}`);
		}
		assert.ok(taken > 500, `only ${taken} of 3,000`);
	});

	const inputs = join(import.meta.dirname, "../../../../shared/inputs/istio");
	it("takes nearly all documents from the field, and agrees with the complete parser", {
		skip: !existsSync(inputs),
	}, () => {
		const parts = globSync(join(inputs, "**/*.yaml")).flatMap((path) => splitYaml(readFileSync(path, "utf8")));
		const taken = parts.filter((part) => {
			const plain = parsePlainYaml(part);
			if (plain) assert.deepEqual(plain.value, parse(part.text));
			return plain;
		});
		assert.ok(taken.length > parts.length * 0.8, `${taken.length} of ${parts.length}`);
	});
});

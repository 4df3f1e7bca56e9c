// Random specs of the security kinds, half right and half wrong: whatever they hold, reading them gives resources and
// problems, never an exception.

import assert from "node:assert/strict";
import { it } from "node:test";
import { checkReferences } from "./check-references.ts";
import { lookUpKind } from "./kind-table.ts";
import { readResourceFile } from "./read-resources.ts";
import type { Shape } from "./shapes/shape.ts";

const texts = [
	...["", "*", "*a*", "a", "a/b", "a/b/c", "é", "\u0000", "constructor", "__proto__", "80", "10.0.0.0/8", "source.ip"],
	...["/a/{*}", "/{**}/{*}", "request.headers[a]", "request.auth.claims", "cluster.local/ns/a/sa/b", "spiffe://x"],
	...["https://[::1", "http://%", "https://a.example", '{"keys":[null]}', '{"keys":[{"kty":1}]}', "1s", "sso"],
];

const apiVersions = {
	PeerAuthentication: "security.istio.io/v1",
	RequestAuthentication: "security.istio.io/v1",
	AuthorizationPolicy: "security.istio.io/v1",
	DestinationRule: "networking.istio.io/v1",
	MeshConfig: "keepmesh.io/v1alpha1",
};

function newDice(seed: number): {
	chance(share: number): boolean;
	one<T>(list: readonly T[]): T;
} {
	let state = seed;
	const next = (): number => {
		state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
		return state / 2 ** 32;
	};
	return {
		chance: (share) => next() < share,
		one: (list) => list[Math.floor(next() * list.length)] as (typeof list)[number],
	};
}

type Dice = ReturnType<typeof newDice>;

function randomValue(shape: Shape, dice: Dice): unknown {
	if (dice.chance(0.03)) return dice.one([null, 1, "x", [], {}, true]);
	const several = (): readonly number[] => dice.one([[], [0], [0, 1]]);
	switch (shape.type) {
		case "text":
			return shape.choices && dice.chance(0.9) ? dice.one(shape.choices) : dice.one(texts);
		case "flag":
			return dice.chance(0.5);
		case "duration":
			return dice.one(["1s", "5ms", "x"]);
		case "whole":
			return dice.one([0, 1, 80, 65536]);
		case "list":
			return several().map(() => randomValue(shape.of, dice));
		case "map":
			return Object.fromEntries(
				several().map(() => [dice.one(["80", "app", "constructor"]), randomValue(shape.of, dice)]),
			);
		case "struct": {
			const fields = [...shape.fields].filter(([name]) => shape.required.includes(name) || dice.chance(0.4));
			return Object.fromEntries(fields.map(([name, field]) => [name, randomValue(field, dice)]));
		}
		default:
			return dice.one(texts);
	}
}

it("reads random policies without an exception", (context) => {
	const dice = newDice(42);
	let good = 0;
	let problems = 0;
	for (let round = 0; round < 300; round++) {
		const items: unknown[] = [
			{ apiVersion: "v1", kind: "Pod", metadata: { name: "a", namespace: "a", labels: { app: "a" } }, spec: {} },
			{
				apiVersion: "v1",
				kind: "Service",
				metadata: { name: "a", namespace: "a" },
				spec: { selector: { app: "a" }, ports: [{ port: 80, name: dice.one(["http", "mysql"]) }] },
			},
		];
		for (const [kind, apiVersion] of Object.entries(apiVersions)) {
			const found = lookUpKind(apiVersion, kind);
			assert.equal(found.type, "known");
			if (found.type !== "known") continue;
			const metadata = { name: "a", namespace: dice.one(["a", "istio-system"]) };
			items.push({ apiVersion, kind, metadata, spec: randomValue(found.info.shape, dice) });
		}
		const read = readResourceFile("a.json", JSON.stringify({ apiVersion: "v1", kind: "List", items }));
		good += read.objects.length - 2;
		problems += read.problems.length + checkReferences(read.objects).length;
		for (const problem of read.problems) assert.notEqual(problem.message, "");
	}
	assert.ok(good > 100, "most of the random resources are refused: the test sees too little of the rules");
	context.diagnostic(`${good} good resources, ${problems} problems`);
});

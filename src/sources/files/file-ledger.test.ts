import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AnyObject } from "../../resources/config-object.ts";
import type { Problem } from "../../resources/problem.ts";
import { FileLedger } from "./file-ledger.ts";

function service(name: string, file: string, line = 1, port = 80): AnyObject {
	return {
		kind: "Service",
		apiVersion: "v1",
		metadata: { name, namespace: "default", labels: {}, annotations: {}, createdMs: 0 },
		spec: { ports: [{ port }] },
		origin: { file, line, column: 1 },
	};
}

function problem(file: string, resource: string): Problem {
	return {
		severity: "error",
		origin: { file, line: 1, column: 1 },
		resource,
		path: "",
		message: "bad",
		hint: "mend it",
	};
}

const told = (changes: readonly { type: string }[]): readonly string[] =>
	changes.map((change) => {
		const c = change as { type: string; object?: AnyObject; key?: string };
		return c.object ? `+${c.object.metadata.name}:${JSON.stringify(c.object.spec)}` : `-${c.key}`;
	});

describe("file ledger", () => {
	it("gives out what a file adds, changes and takes away", () => {
		const ledger = new FileLedger();
		assert.deepEqual(told(ledger.update("a", "a", { objects: [service("x", "a"), service("y", "a")], problems: [] })), [
			'+x:{"ports":[{"port":80}]}',
			'+y:{"ports":[{"port":80}]}',
		]);
		assert.deepEqual(told(ledger.update("a", "a", { objects: [service("x", "a", 1, 81)], problems: [] })), [
			'+x:{"ports":[{"port":81}]}',
			"-Service/default/y",
		]);
		assert.deepEqual(told(ledger.remove("a")), ["-Service/default/x"]);
	});

	it("does not call a moved line a change, but knows the new line", () => {
		const ledger = new FileLedger();
		ledger.update("a", "a", { objects: [service("x", "a", 1)], problems: [] });
		assert.deepEqual(ledger.update("a", "a", { objects: [service("x", "a", 9)], problems: [] }), []);
		assert.equal(ledger.current("Service/default/x")?.origin.line, 9);
	});

	it("keeps the last good version of a refused resource, and removes the ones that are really gone", () => {
		const ledger = new FileLedger();
		ledger.update("a", "a", { objects: [service("x", "a"), service("y", "a")], problems: [] });
		const content = { objects: [], problems: [problem("a", "Service default/x")] };
		assert.deepEqual(told(ledger.update("a", "a", content)), ["-Service/default/y"]);
		assert.match(ledger.problems()[0]?.hint ?? "", /last good version stays in force/);
	});

	it("keeps everything of a file whose text cannot be parsed", () => {
		const ledger = new FileLedger();
		ledger.update("a", "a", { objects: [service("x", "a"), service("y", "a")], problems: [] });
		assert.deepEqual(ledger.update("a", "a", { objects: [service("x", "a")], problems: [problem("a", "")] }), []);
		assert.deepEqual(ledger.update("a", "a", { objects: [service("x", "a"), service("y", "a")], problems: [] }), []);
		assert.deepEqual(ledger.problems(), []);
	});

	it("lets the first file in path order own an object, whichever was read first, and names it to the other", () => {
		const ledger = new FileLedger();
		ledger.update("b", "b", { objects: [service("x", "b", 3, 2)], problems: [] });
		assert.deepEqual(told(ledger.update("a", "a", { objects: [service("x", "a", 7, 1)], problems: [] })), [
			'+x:{"ports":[{"port":1}]}',
		]);
		assert.deepEqual(
			ledger.problems().map((p) => [p.origin.file, p.resource, p.message]),
			[["b", "Service default/x", "is also defined at a:7, which comes first and is in force"]],
		);
		assert.deepEqual(told(ledger.remove("a")), ['+x:{"ports":[{"port":2}]}']);
		assert.deepEqual(ledger.problems(), []);
	});

	it("takes the first of two equal names in one file", () => {
		const ledger = new FileLedger();
		const content = { objects: [service("x", "a", 1, 1), service("x", "a", 9, 2)], problems: [] };
		assert.deepEqual(told(ledger.update("a", "a", content)), ['+x:{"ports":[{"port":1}]}']);
		assert.equal(ledger.problems()[0]?.origin.line, 9);
	});
});

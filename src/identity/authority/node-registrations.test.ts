import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { NodeRegistrations } from "./node-registrations.ts";

const directory = mkdtempSync(join(tmpdir(), "keepmesh-registrations-"));
after(() => rmSync(directory, { recursive: true }));
const token = { id: "0123456789abcdef", allow: [], createdMs: 0, expiresMs: 1 };
const fileOf = (node: string) => join(directory, "registrations", `${node}.json`);

function registered(...nodes: string[]) {
	const problems: string[] = [];
	const registrations = new NodeRegistrations(directory, (because) => problems.push(because));
	for (const node of nodes) {
		registrations.register({ ...token, node }, 5);
		assert.equal(registrations.of(node)?.node, node);
	}
	return { registrations, problems };
}

describe("the registrations of nodes", () => {
	it("keep what was known of a node whose file is damaged, and say so once", () => {
		const { registrations, problems } = registered("n1");
		for (const damage of ["", "{", "null", "[]", '{"node":"n2","allow":[]}', '{"node":"n1"}']) {
			problems.length = 0;
			writeFileSync(fileOf("n1"), damage);
			assert.equal(registrations.of("n1")?.joinedMs, 5);
			registrations.of("n1");
			assert.equal(problems.length, 1, damage);
			assert.match(problems[0] ?? "", /registrations\/n1\.json: /);
			registrations.register({ ...token, node: "n1" }, 5);
			registrations.of("n1");
		}
	});

	it("know nothing of a node whose file is damaged from the start", () => {
		const { registrations, problems } = registered();
		writeFileSync(fileOf("n3"), "{");
		assert.equal(registrations.of("n3"), undefined);
		assert.equal(registrations.allows("n3", { trustDomain: "t", namespace: "a", serviceAccount: "b" }), false);
		assert.equal(problems.length, 1);
		assert.deepEqual(
			registrations.list().filter(({ node }) => node === "n3"),
			[],
		);
		assert.equal(registrations.remove("n3"), true);
		assert.equal(registrations.remove("n3"), false);
	});

	it("shut nobody out while the authority's directory is away", () => {
		const { registrations } = registered("n4");
		const folder = join(directory, "registrations");
		renameSync(folder, `${folder}.away`);
		assert.equal(registrations.of("n4")?.node, "n4");
		renameSync(`${folder}.away`, folder);
		assert.equal(registrations.of("n4")?.node, "n4");
	});

	it("know nodes that somebody else vouches for, but for those that are shut out", () => {
		const { registrations } = registered("n6");
		registrations.vouchedBy((node) => node === "n6" || node === "n7");
		assert.deepEqual(registrations.of("n7"), { node: "n7", allow: [], joinedMs: 0, token: "" });
		assert.equal(registrations.of("n8"), undefined);
		for (const node of ["n6", "n7"]) {
			assert.ok(registrations.shutOut(node, 9));
			assert.equal(registrations.of(node), undefined);
		}
		assert.equal(registrations.shutOut("../n7", 9), false);
		assert.ok(registrations.readmit("n7"));
		assert.equal(registrations.readmit("n7"), false);
		assert.equal(registrations.of("n7")?.node, "n7");
		registrations.register({ ...token, node: "n6" }, 10);
		assert.equal(registrations.of("n6")?.joinedMs, 10);
		assert.equal(registrations.isShutOut("n6"), false);
	});

	it("forget a node when its file is removed", () => {
		const { registrations } = registered("n5");
		rmSync(fileOf("n5"));
		assert.equal(registrations.of("n5"), undefined);
	});
});

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { silentLog } from "../../runtime/log.ts";
import { OwnersFile } from "./owners-file.ts";

describe("the file of owners before", () => {
	const directory = mkdtempSync(join(tmpdir(), "keepmesh-owners-"));
	const path = join(directory, "owners.json");
	after(() => rmSync(directory, { recursive: true }));

	it("holds what was said last, as a whole", async () => {
		const file = new OwnersFile(path, silentLog);
		assert.deepEqual(file.read(), {});
		const owners = { web: [{ source: "10.0.0.2", isHigher: true }] };
		file.write({ web: [] });
		file.write({});
		file.write(owners);
		await file.settled();
		assert.deepEqual(new OwnersFile(path, silentLog).read(), owners);
		assert.deepEqual(readdirSync(directory), ["owners.json"]);
	});

	it("is nothing where it is damaged", () => {
		for (const text of ["", "{", "null", "[]", '"x"']) {
			writeFileSync(path, text);
			assert.deepEqual(new OwnersFile(path, silentLog).read(), {}, text);
		}
		writeFileSync(path, '{"web": [{"source": 1}, null, {"source": "10.0.0.2", "isHigher": false}], "other": 3}');
		const owners = { web: [{ source: "10.0.0.2", isHigher: false }], other: [] };
		assert.deepEqual(new OwnersFile(path, silentLog).read(), owners);
	});
});

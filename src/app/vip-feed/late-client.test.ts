import assert from "node:assert/strict";
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { FakeApi } from "../../kubernetes/client/fake-api.testing.ts";
import { LateClient } from "./late-client.ts";

const directory = mkdtempSync(join(tmpdir(), "keepmesh-late-"));
after(() => rmSync(directory, { recursive: true }));

describe("an API server whose kubeconfig comes later", () => {
	it("cannot be asked before, can be asked then, and is asked anew when the file changes", async () => {
		const file = join(directory, "kubeconfig");
		const opened: FakeApi[] = [];
		let good = false;
		const client = new LateClient(() => {
			if (!good) throw new Error("there is no file");
			const api = new FakeApi();
			opened.push(api);
			return api;
		}, file);
		const ask = () => client.request("GET", "/api/v1/nodes");
		await assert.rejects(ask, /there is no file/);
		writeFileSync(file, "one");
		good = true;
		assert.equal((await ask()).status, 200);
		await ask();
		assert.equal(opened.length, 1);
		utimesSync(file, 1, 1);
		await ask();
		assert.equal(opened.length, 2);
		good = false;
		utimesSync(file, 2, 2);
		assert.equal((await ask()).status, 200, "a file that is no good is as if it had not changed");
	});
});

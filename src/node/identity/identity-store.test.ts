import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { silentLog } from "../../runtime/log.ts";
import { IdentityStore } from "./identity-store.ts";

const directory = mkdtempSync(join(tmpdir(), "keepmesh-identities-"));
after(() => rmSync(directory, { recursive: true }));

describe("what a node keeps of its identity", () => {
	it("stays what it was when the disk has room for a part of its successor only", () => {
		new IdentityStore(directory, silentLog).saveRoots(["before\n"]);
		const module = new URL("identity-store.ts", import.meta.url).href;
		const script = `import { IdentityStore } from ${JSON.stringify(module)};
			const store = new IdentityStore(${JSON.stringify(directory)}, undefined);
			try { console.log(store.saveRoots(["x".repeat(6000)])); } catch (error) { console.log(error.code); }`;
		// Files of this process may not grow over 4 KiB: the first write of a longer text writes a part of it.
		const run = 'ulimit -f 4; exec "$0" --no-warnings --input-type=module -e "$1"';
		const env = { ...process.env, NODE_COMPILE_CACHE: "" };
		const { stdout } = spawnSync("bash", ["-c", run, process.execPath, script], { encoding: "utf8", env });
		assert.equal(stdout.trim(), "EFBIG");
		assert.equal(readFileSync(join(directory, "roots.pem"), "utf8"), "before\n");
	});
});

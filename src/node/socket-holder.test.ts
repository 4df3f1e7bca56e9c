import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { socketHolder } from "./socket-holder.ts";

describe("who has a socket", () => {
	it("is told by path and by abstract name, until it is closed", async () => {
		const directory = mkdtempSync(join(tmpdir(), "keepmesh-holder-"));
		const abstract = `keepmesh-holder-${process.pid}`;
		const names = [
			[join(directory, "a b.sock"), join(directory, "a b.sock")],
			[`\0${abstract}`, `@${abstract}`],
		] as const;
		try {
			for (const [address, name] of names) {
				const server = createServer();
				await new Promise<void>((resolve) => server.listen(address, resolve));
				const holder = socketHolder(name);
				assert.equal(holder?.pid, process.pid);
				assert.match(holder?.command ?? "", /socket-holder\.test\.ts/);
				await new Promise((resolve) => server.close(resolve));
				assert.equal(socketHolder(name), undefined);
			}
		} finally {
			rmSync(directory, { recursive: true, force: true });
		}
	});
});

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Problem } from "../../resources/problem.ts";
import { silentLog } from "../../runtime/log.ts";
import type { VipConfig } from "../../vip/vip-config.ts";
import { instanceForTest } from "../../vip/vrrp/instance-config.testing.ts";
import { ConfigReloader } from "./config-reloader.ts";
import type { LoadedConfig } from "./load-vip-config.ts";
import { vipConfig } from "./virtual-nodes.testing.ts";

const problem = (message: string, line = 1): Problem => ({
	severity: "error",
	origin: { file: "f", line, column: 1 },
	resource: "",
	path: "",
	message,
	hint: "",
});
const good = (priority: number, ...problems: Problem[]): Extract<LoadedConfig, { ok: true }> => ({
	ok: true,
	config: vipConfig({ instances: [instanceForTest({ priority })] }),
	problems,
});

function reloading(first: Extract<LoadedConfig, { ok: true }>) {
	const applied: VipConfig[] = [];
	const files = { next: first as LoadedConfig };
	const reloader = new ConfigReloader(first, {
		load: async () => files.next,
		apply: async (config) => void applied.push(config),
		log: silentLog,
	});
	return { applied, files, reloader };
}

describe("a configuration that is read again", () => {
	it("is put into force when it has changed, and not when it has not", async () => {
		const { applied, files, reloader } = reloading(good(100));
		assert.deepEqual(await reloader.reload(), { ok: true, message: "nothing has changed" });
		files.next = good(90);
		assert.deepEqual(await reloader.reload(), { ok: true, message: "1 virtual router" });
		assert.equal(applied.length, 1);
	});

	it("changes nothing when it brings a new error, and says which until a good one comes", async () => {
		const { applied, files, reloader } = reloading(good(100));
		files.next = good(90, problem("no such word"));
		assert.deepEqual(await reloader.reload(), { ok: false, because: "f: no such word" });
		assert.equal(reloader.problem, "f: no such word");
		assert.equal(applied.length, 0);
		files.next = good(90);
		await reloader.reload();
		assert.equal(reloader.problem, undefined);
		assert.equal(applied.length, 1);
	});

	it("accepts what was wrong before as well, also on another line", async () => {
		const { applied, files, reloader } = reloading(good(100, problem("old")));
		files.next = good(90, problem("old", 7));
		assert.deepEqual(reloader.leftOut, ["f: old"]);
		assert.equal((await reloader.reload()).ok, true);
		assert.equal(applied.length, 1);
	});
});

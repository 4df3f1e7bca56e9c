import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { insideNamespace } from "../../kernel/linux/network-namespace.ts";
import { cannotRun, createRig, type Rig } from "../namespace-rig.testing.ts";
import { MachineSettings } from "./machine-settings.ts";
import { type RemovedRules, removeLayer4Rules } from "./remove-rules.ts";

const arpIgnore = "net/ipv4/conf/all/arp_ignore";

describe("taking layer 4 out of the kernel", { skip: cannotRun }, () => {
	let rig: Rig;
	const inside = <Result>(run: () => Result): Result => {
		const namespace = insideNamespace(`/run/netns/${rig.hub}`);
		try {
			return namespace.run(run);
		} finally {
			namespace.close();
		}
	};
	/** It awaits nothing, so that all of it runs in the namespace. */
	const remove = (): Promise<RemovedRules> => inside(() => removeLayer4Rules(rig.directory));
	const value = (): string => inside(() => readFileSync(`/proc/sys/${arpIgnore}`, "utf8").trim());
	before(() => {
		rig = createRig();
	});
	after(() => rig.close());

	it("puts the machine's settings back, also when no virtual server is left", async () => {
		inside(() => writeFileSync(`/proc/sys/${arpIgnore}`, "0"));
		const problems = inside(() => new MachineSettings(rig.directory).set([{ name: arpIgnore, value: "1" }]));
		assert.deepEqual({ problems, value: value() }, { problems: [], value: "1" });
		assert.deepEqual(await remove(), { tables: 0, virtualServers: 0 });
		assert.equal(value(), "0");
		assert.equal(existsSync(join(rig.directory, "ipvs-settings.json")), false);
	});
});

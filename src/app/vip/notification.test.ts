import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { NotifyConfig } from "../../vip/vip-config.ts";
import { instanceForTest } from "../../vip/vrrp/instance-config.testing.ts";
import type { InstanceRole } from "../../vip/vrrp/instance-state.ts";
import { notificationOfLowerPriority, notificationOfMove, notificationOfPriority } from "./notification.ts";

const told = (notify: NotifyConfig, to: InstanceRole, deleted = false) => {
	const transition = { from: "BACKUP", to, because: "", priority: 150 } as const;
	const found = notificationOfMove({ kind: "INSTANCE", config: instanceForTest({ notify }), transition, deleted });
	return found && [found.line, ...found.commands.map(({ argv }) => argv.join(" "))];
};

describe("what keepalived tells scripts and FIFOs", () => {
	it("is the specific command as it stands, then the general one with kind, name, state and priority", () => {
		const notify = { master: ["/m", "x"], any: ["/n"] };
		assert.deepEqual(told(notify, "MASTER"), ['INSTANCE "web" MASTER 150', "/m x", "/n INSTANCE web MASTER 150"]);
		assert.deepEqual(told(notify, "FAULT"), ['INSTANCE "web" FAULT 150', "/n INSTANCE web FAULT 150"]);
	});

	it("calls an instance that a reload takes away FAULT, or DELETED where that is asked for", () => {
		assert.deepEqual(told({ fault: ["/f"] }, "STOP", true), ['INSTANCE "web" FAULT 150', "/f"]);
		assert.deepEqual(told({ deleted: ["/d"], sendsDeleted: true }, "STOP", true), ['INSTANCE "web" DELETED 150', "/d"]);
		assert.deepEqual(told({ stop: ["/s"] }, "STOP"), ['INSTANCE "web" STOP 150', "/s"]);
	});

	it("gives a group the priority 0", () => {
		const config = { name: "both", members: ["web"], tracked: [], usesWeights: false, notify: { any: ["/n"] } };
		const transition = { from: "BACKUP", to: "MASTER", because: "" } as const;
		const found = notificationOfMove({ kind: "GROUP", config, transition });
		assert.equal(found?.line, 'GROUP "both" MASTER 0');
		assert.deepEqual(found?.commands, [{ argv: ["/n", "GROUP", "both", "MASTER", "0"] }]);
	});

	it("tells of a lower priority that was heard, and of changed priorities only where asked", () => {
		const rx = notificationOfLowerPriority(
			instanceForTest({ notify: { lowerPriorityHeard: ["/l"], any: ["/n"] } }),
			150,
		);
		assert.deepEqual([rx.line, rx.commands], ['INSTANCE "web" MASTER_RX_LOWER_PRI 150', [{ argv: ["/l"] }]]);
		assert.deepEqual(notificationOfLowerPriority(instanceForTest({ notify: { any: ["/n"] } }), 150).commands, []);
		assert.equal(notificationOfPriority(instanceForTest(), 90, "BACKUP"), undefined);
		const asked = instanceForTest({ notify: { priorityChanges: true } });
		assert.equal(notificationOfPriority(asked, 90, "BACKUP")?.line, 'INSTANCE "web" BACKUP_PRIORITY 90');
		assert.equal(notificationOfPriority(asked, 90, "FAULT"), undefined);
	});

	it("runs a command as the user that it names", () => {
		const notify = { master: ["/m"], users: { master: { user: "nobody" } } };
		const transition = { from: "BACKUP", to: "MASTER", because: "", priority: 1 } as const;
		const found = notificationOfMove({
			kind: "INSTANCE",
			config: instanceForTest({ notify }),
			transition,
			deleted: false,
		});
		assert.deepEqual(found?.commands, [{ argv: ["/m"], owner: { user: "nobody" } }]);
	});
});

// Keepmesh and keepalived beside each other, each in both roles, from the same keepalived.conf.

import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { cannotRun } from "../../src/node/namespace-rig.testing.ts";
import { type ConfOptions, conf, vip4 } from "./vip-conf.ts";
import { missing, startMs, toleratedOverlapMs, VipLan } from "./vip-lan.ts";
import { type Program, slackMs, type VipNode } from "./vip-node.ts";

/** Undefined when the tests can run. */
export const noKeepalived = cannotRun ?? missing("keepalived");

export const pairs: readonly (readonly [Program, Program])[] = [
	["keepmesh", "keepalived"],
	["keepalived", "keepmesh"],
];

export interface Side {
	readonly node: VipNode;
	readonly program: Program;
	/** Starts it with its file, or again with the same one. */
	start(changed?: ConfOptions): void;
}

export interface Setting {
	readonly conf: (node: VipNode, other: VipNode) => ConfOptions;
	readonly address?: string;
	/** Silence after which a backup claims. */
	readonly downMs: number;
	/** A backup that is told takes so long. */
	readonly skewMs: number;
}

export interface Lan {
	readonly lan: VipLan;
	/** Priority 150. */
	readonly owner: Side;
	/** Priority 100. */
	readonly backup: Side;
	readonly address: string;
	readonly downMs: number;
	readonly skewMs: number;
}

export const fast: Setting = { conf: () => ({}), downMs: 361, skewMs: 61 };

export function build(context: TestContext, [first, second]: readonly [Program, Program], setting: Setting): Lan {
	const lan = new VipLan();
	context.after(() => lan.close());
	const [a, b] = [lan.addNode("a"), lan.addNode("b")];
	const side = (node: VipNode, other: VipNode, program: Program, priority: number): Side => ({
		node,
		program,
		start: (changed = {}) => node.start(program, conf({ priority, ...setting.conf(node, other), ...changed })),
	});
	const { address = vip4, downMs, skewMs } = setting;
	return { lan, owner: side(a, b, first, 150), backup: side(b, a, second, 100), address, downMs, skewMs };
}

/** The owner runs, then the backup beside it. */
export async function begin(
	context: TestContext,
	pair: readonly [Program, Program],
	setting: Setting = fast,
): Promise<Lan> {
	const built = build(context, pair, setting);
	const { lan, owner, backup, address, downMs } = built;
	owner.start();
	await lan.untilOwner(address, "a", downMs + startMs);
	backup.start();
	await keepsOwner(built, downMs + 300);
	return built;
}

/** At the shortest intervals a machine that stands still for 40 ms loses its address, whoever's daemon it runs. */
export async function keepsOwner({ lan, address, downMs }: Lan, forMs: number): Promise<void> {
	if (downMs >= 100) await lan.staysOwner(address, "a", forMs);
	else await lan.untilOwner(address, "a", slackMs);
}

export function onlyOne({ lan, address }: Lan): void {
	const overlapMs = lan.longestOverlapMs(address);
	assert.ok(overlapMs < toleratedOverlapMs, `two owners for ${overlapMs} ms\n${lan.history(address)}`);
}

export const slow = { downMs: 3610, skewMs: 610 };

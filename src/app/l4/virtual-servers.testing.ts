// Virtual servers on a virtual clock: what checks find is said by the test, what comes out is looked at.

import assert from "node:assert/strict";
import type { Balancer } from "../../l4/balancer.ts";
import type { BalancingBackend } from "../../l4/virtual-server/balancing-backend.ts";
import type { CheckOutcome } from "../../l4/virtual-server/check-machine.ts";
import { silentLog } from "../../runtime/log.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { parseKeepalivedConf } from "../../vip/keepalived-conf/parse-keepalived-conf.ts";
import type { VirtualServersConf } from "./load-virtual-servers.ts";
import { type RunningVirtualServers, startVirtualServers } from "./virtual-server-runtime.ts";

export interface TestRun {
	readonly clock: VirtualClock;
	readonly running: RunningVirtualServers;
	/** What checks of an address (or `ADDRESS TYPE`, or an address with a url) find from now on: good, bad, or the exit code of a script. Default good. */
	answer(address: string, outcome: boolean | number): void;
	/** Addresses and urls asked, in order, as `SECONDS ADDRESS`. */
	readonly asked: string[];
	/** `ADDRESS=WEIGHT` of the first balancer, sorted; `reject` when nobody is there. */
	pool(): string;
	/** What commands and FIFOs were told, since the last call. */
	told(): readonly string[];
	readonly balancers: Map<string, readonly Balancer[]>;
	/** Moves time on, and lets checks end. */
	seconds(count: number): Promise<void>;
	setOwnAddresses(...addresses: readonly string[]): void;
	reload(text: string): void;
}

export function confOf(text: string): VirtualServersConf {
	const parsed = parseKeepalivedConf("keepalived.conf", text, { configId: "test" });
	assert.deepEqual(
		parsed.problems.filter(({ severity }) => severity === "error").map(({ message }) => message),
		[],
	);
	return {
		servers: parsed.servers,
		global: { ...parsed.config.global, scripts: { user: "root", security: false } },
		notifiesAtStart: parsed.notifiesServersAtStart,
	};
}

export function runVirtualServers(
	text: string,
	options: { readonly backend?: BalancingBackend; readonly random?: number } = {},
): TestRun {
	const clock = new VirtualClock();
	const outcomes = new Map<string, boolean | number>();
	const asked: string[] = [];
	let told: string[] = [];
	const balancers = new Map<string, readonly Balancer[]>();
	let own: ReadonlySet<string> | undefined;
	const running = startVirtualServers(confOf(text), {
		apply: (changed) => {
			for (const [id, list] of changed)
				if (list) balancers.set(id, list);
				else balancers.delete(id);
		},
		backend: options.backend ?? "ipvs",
		clock,
		log: silentLog,
		random: () => options.random ?? 0,
		ownAddresses: () => own ?? new Set(["192.0.2.1"]),
		notify: ({ commands, line }) => {
			told.push(commands.length > 0 ? `${line} ${commands.map(({ argv }) => argv.join(" ")).join()}` : line);
		},
		runCheck: async (check, target, url) => {
			const where = check.type === "http" ? `${target.address}${check.urls[url]?.path}` : target.address;
			asked.push(`${clock.monotonicMs() / 1000} ${where}`);
			return outcomeOf(
				outcomes.get(where) ?? outcomes.get(`${target.address} ${check.type}`) ?? outcomes.get(target.address) ?? true,
			);
		},
	});
	return {
		clock,
		running,
		asked,
		balancers,
		answer: (address, outcome) => outcomes.set(address, outcome),
		pool: () => {
			const answer = [...balancers.values()][0]?.[0]?.outside;
			if (answer?.type !== "balance") return answer?.type ?? "gone";
			return answer.backends.map(({ address, weight }) => `${address}=${weight}`).join(" ");
		},
		told: () => {
			const lines = told;
			told = [];
			return lines;
		},
		seconds: async (count) => {
			for (let step = 0; step < count * 10; step++) {
				clock.advance(100);
				for (let turn = 0; turn < 4; turn++) await Promise.resolve();
			}
		},
		setOwnAddresses: (...addresses) => {
			own = new Set(addresses);
			running.addressesChanged();
		},
		reload: (next) => running.reload(confOf(next)),
	};
}

function outcomeOf(outcome: boolean | number): CheckOutcome {
	if (typeof outcome === "boolean") return { ok: outcome, because: outcome ? "good" : "bad" };
	return { ok: outcome === 0, because: `exit code ${outcome}`, exitCode: outcome };
}

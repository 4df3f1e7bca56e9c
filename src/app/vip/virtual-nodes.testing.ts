// Nodes with the whole runtime on a LAN in memory and a clock that tests move: started, crashed, stopped, moved, reloaded. A
// watcher looks at the owners of the address each 0.1 ms, so that gaps and double owners have a length.

import type { FakeHost } from "../../kernel/fake/fake-host.ts";
import { FakeLan } from "../../kernel/fake/fake-lan.ts";
import { VirtualLoop } from "../../kernel/fake/virtual-loop.ts";
import type { Log } from "../../runtime/log.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import type { LeaseStore } from "../../vip/election/lease-store.ts";
import type { InstanceConfig, VipConfig } from "../../vip/vip-config.ts";
import { instanceForTest, nodeHashes } from "../../vip/vrrp/instance-config.testing.ts";
import { LeaseAdvisers } from "./lease-advisers.ts";
import type { Move } from "./move.ts";
import type { RememberedOwners } from "./owners-file.ts";
import type { Answer } from "./planned-moves.ts";
import { VipRuntime } from "./vip-runtime.ts";

export const vip = "10.77.0.100";

export class VirtualNode {
	readonly name: string;
	readonly host: FakeHost;
	readonly moves: Move[] = [];
	readonly logged: { readonly facts: object; readonly message: string }[] = [];
	config: VipConfig;
	runtime: VipRuntime | undefined;
	/** Outlives processes. */
	#owners: RememberedOwners = {};
	/** For instances with a lease. */
	leaseStore: LeaseStore | undefined;
	#alive = { yes: false };
	readonly #clock: VirtualClock;

	constructor(name: string, host: FakeHost, config: VipConfig, clock: VirtualClock) {
		this.name = name;
		this.host = host;
		this.config = config;
		this.#clock = clock;
	}

	start(): void {
		const alive = { yes: true };
		this.#alive = alive;
		const loop = new VirtualLoop(this.#clock);
		const log = (facts: object, message: string): void => {
			this.logged.push({ facts, message });
		};
		// Timers of a crashed process do not fire.
		const aliveLoop: Pick<VirtualLoop, "nowUs" | "at"> = {
			nowUs: () => loop.nowUs(),
			at: (dueUs, run) => loop.at(dueUs, (now, due) => alive.yes && run(now, due)),
		};
		const { leaseStore } = this;
		this.runtime = new VipRuntime(this.config, {
			network: this.host.open(),
			loop: aliveLoop,
			wallMs: () => this.#clock.wallMs(),
			owners: {
				read: () => this.#owners,
				write: (owners) => {
					this.#owners = owners;
				},
			},
			hashes: nodeHashes,
			log: { debug: log, info: log, warn: log, error: log } satisfies Log,
			node: this.name,
			...(leaseStore
				? {
						leases: new LeaseAdvisers({
							loop: aliveLoop,
							node: this.name,
							storeFor: () => leaseStore,
							noted: (instance, because) => log({ instance }, because),
						}),
					}
				: {}),
			onMove: (move) => this.moves.push(move),
		});
		this.runtime.start();
	}

	/** As SIGKILL does. */
	crash(): void {
		this.#alive.yes = false;
		this.host.crash();
		this.runtime = undefined;
	}

	/** The whole machine is gone from the LAN. */
	powerOff(): void {
		this.crash();
		this.host.setLink("eth0", { running: false });
	}

	stop(onStopped: () => void = () => {}): void {
		this.runtime?.stop(() => {
			this.#alive.yes = false;
			onStopped();
		});
	}

	reload(config: VipConfig): void {
		this.config = config;
		this.runtime?.reconfigure(config);
	}

	move(to?: string, name = "web"): { answer: Answer | undefined } {
		const result: { answer: Answer | undefined } = { answer: undefined };
		this.runtime?.move(name, to, (answer) => {
			result.answer = answer;
		});
		return result;
	}

	role(name = "web"): string {
		return this.runtime?.routers.get(name)?.state.role ?? "none";
	}
}

/** Milliseconds, summed up and in one piece. */
export interface Ownership {
	readonly noOwnerMs: number;
	readonly twoOwnersMs: number;
	readonly longestGapMs: number;
}

export class VirtualNodes {
	readonly clock = new VirtualClock();
	readonly lan = new FakeLan(this.clock, 0.2);
	readonly #nodes: VirtualNode[] = [];

	add(name: string, changed: Partial<InstanceConfig> = {}): VirtualNode {
		return this.addWith(name, vipConfig({ instances: [instanceForTest(changed)] }));
	}

	addWith(name: string, config: VipConfig): VirtualNode {
		const host = this.lan.addHost({ name, address: `10.77.0.${this.#nodes.length + 2}` });
		const node = new VirtualNode(name, host, config, this.clock);
		this.#nodes.push(node);
		return node;
	}

	/** Advances and watches. */
	watch(ms: number, address = vip): Ownership {
		const stepMs = 0.1;
		let [none, two, gap, longest] = [0, 0, 0, 0];
		for (let at = 0; at < ms; at += stepMs) {
			this.clock.advance(stepMs);
			const owners = this.lan.owners(address).length;
			if (owners === 0) none += stepMs;
			if (owners > 1) two += stepMs;
			gap = owners === 0 ? gap + stepMs : 0;
			longest = Math.max(longest, gap);
		}
		return { noOwnerMs: round(none), twoOwnersMs: round(two), longestGapMs: round(longest) };
	}

	owners(address = vip): readonly string[] {
		return this.lan.owners(address);
	}
}

export function vipConfig(changed: Partial<VipConfig> = {}): VipConfig {
	return {
		global: {
			routerName: "",
			startupDelayMs: 0,
			multicastGroup4: "224.0.0.18",
			multicastGroup6: "ff02::12",
			notifyFifos: [],
			scripts: { user: "root", security: false },
		},
		instances: [instanceForTest()],
		groups: [],
		trackers: [],
		...changed,
	};
}

const round = (ms: number): number => Math.round(ms * 10) / 10;

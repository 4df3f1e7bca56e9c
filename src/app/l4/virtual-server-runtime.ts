// Runs virtual servers: timers, checks and commands around their machines. In: the blocks of a keepalived.conf, results of checks. Out:
// balancers by owner each time that they change, commands and lines for notify scripts and FIFOs.

import { startFileProbe } from "../../health/probes/file-probe.ts";
import { scriptOf } from "../../health/probes/misc-check.ts";
import { type AskedCheck, runRealServerCheck } from "../../health/probes/real-server-check.ts";
import { whyScriptRefused } from "../../health/probes/script-probe.ts";
import type { Balancer } from "../../l4/balancer.ts";
import type { BalancingBackend } from "../../l4/virtual-server/balancing-backend.ts";
import type { CheckOutcome } from "../../l4/virtual-server/check-machine.ts";
import { poolOf } from "../../l4/virtual-server/pool.ts";
import { runnableServers } from "../../l4/virtual-server/runnable.ts";
import { balancersOf } from "../../l4/virtual-server/virtual-server-balancers.ts";
import {
	step,
	type VirtualServerAction,
	type VirtualServerEvent,
} from "../../l4/virtual-server/virtual-server-machine.ts";
import { findCheck, nothingKnown, type VirtualServerState } from "../../l4/virtual-server/virtual-server-state.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { RealServerCheck, VirtualServer } from "../../vip/keepalived-conf/virtual-servers.ts";
import type { Notification } from "../vip/notification.ts";
import type { VirtualServersConf } from "./load-virtual-servers.ts";
import { serverNotification } from "./server-notification.ts";
import { type VirtualServerStatus, virtualServerStatus } from "./virtual-server-status.ts";

export interface VirtualServersDeps {
	/** Balancers of each virtual server that has changed; undefined: it is gone. */
	readonly apply: (changed: ReadonlyMap<string, readonly Balancer[] | undefined>) => void;
	readonly backend: BalancingBackend;
	readonly clock: Clock;
	readonly log: Log;
	readonly notify?: (notification: Notification) => void;
	/** Between 0 and 1. Default Math.random. */
	readonly random?: () => number;
	/** Addresses of this machine now, for ha_suspend; `addressesChanged` says that they are others. Default: all are here. */
	readonly ownAddresses?: () => ReadonlySet<string>;
	/** Default: asks the real server. */
	readonly runCheck?: typeof runRealServerCheck;
}

export interface RunningVirtualServers {
	status(): readonly VirtualServerStatus[];
	/** What did not change keeps its state and its timers. */
	reload(conf: VirtualServersConf): void;
	addressesChanged(): void;
	/** Stops checks, and says goodbye as omega has it; `keepRules`: balancers stay as they are. */
	close(options?: { readonly keepRules?: boolean }): void;
}

export function startVirtualServers(conf: VirtualServersConf, deps: VirtualServersDeps): RunningVirtualServers {
	return new VirtualServerRuntime(conf, deps);
}

interface Running {
	config: VirtualServer;
	state: VirtualServerState;
	/** As last handed out. */
	balancers: readonly Balancer[];
	text: string;
	readonly checks: Map<string, RunningCheck>;
}

interface RunningCheck {
	stop: Cancel;
	lastMs?: number;
}

class VirtualServerRuntime implements RunningVirtualServers {
	readonly #deps: VirtualServersDeps;
	readonly #servers = new Map<string, Running>();
	#conf: VirtualServersConf;
	#closed = false;

	constructor(conf: VirtualServersConf, deps: VirtualServersDeps) {
		this.#deps = deps;
		this.#conf = conf;
		for (const [id, config] of this.#runnable(conf)) this.#add(id, config);
		this.#handOut();
	}

	status(): readonly VirtualServerStatus[] {
		const nowMs = this.#deps.clock.monotonicMs();
		return [...this.#servers].map(([id, { config, state, checks }]) =>
			virtualServerStatus(id, config, state, (key) => {
				const lastMs = checks.get(key)?.lastMs;
				return lastMs === undefined ? undefined : nowMs - lastMs;
			}),
		);
	}

	reload(conf: VirtualServersConf): void {
		const next = this.#runnable(conf);
		this.#conf = conf;
		const gone = new Map<string, undefined>();
		for (const [id, running] of this.#servers)
			if (!next.has(id)) {
				this.#step(id, running, { type: "remove" });
				this.#servers.delete(id);
				gone.set(id, undefined);
			}
		for (const [id, config] of next) {
			const running = this.#servers.get(id);
			if (!running) this.#add(id, config);
			else if (JSON.stringify(running.config) !== JSON.stringify(config)) {
				const before = running.config;
				running.config = config;
				this.#step(id, running, { type: "reload", before, notifiesAtStart: conf.notifiesAtStart });
			}
		}
		this.addressesChanged(gone);
	}

	addressesChanged(gone: ReadonlyMap<string, undefined> = new Map()): void {
		for (const [id, running] of this.#servers)
			this.#step(id, running, { type: "address", isHere: this.#isHere(running.config) });
		this.#handOut(gone);
	}

	close({ keepRules = false }: { readonly keepRules?: boolean } = {}): void {
		if (this.#closed) return;
		const ids = [...this.#servers.keys()];
		for (const [id, running] of this.#servers) this.#step(id, running, { type: "stop" });
		this.#closed = true;
		this.#servers.clear();
		if (!keepRules) this.#deps.apply(new Map(ids.map((id) => [id, undefined])));
	}

	#runnable(conf: VirtualServersConf): ReadonlyMap<string, VirtualServer> {
		const { scripts } = conf.global;
		return runnableServers(conf.servers, (check) => {
			if (check.type !== "misc") return true;
			const because = whyScriptRefused(scriptOf(check), scripts);
			if (because) this.#deps.log.error({ script: check.command.argv[0], because }, "a check is left out");
			return because === undefined;
		});
	}

	#add(id: string, config: VirtualServer): void {
		const running: Running = { config, state: nothingKnown, balancers: [], text: "", checks: new Map() };
		this.#servers.set(id, running);
		const { notifiesAtStart } = this.#conf;
		this.#step(id, running, { type: "start", addressIsHere: this.#isHere(config), notifiesAtStart });
	}

	#isHere({ target }: VirtualServer): boolean {
		const own = this.#deps.ownAddresses?.();
		if (!own) return true;
		if (target.type === "address") return own.has(target.address);
		return target.type === "mark" || this.#groupAddresses(target.group).some((address) => own.has(address));
	}

	#groupAddresses(name: string): readonly string[] {
		const group = this.#conf.servers.groups.find((one) => one.name === name);
		return group?.entries.flatMap((entry) => (entry.type === "addresses" ? [entry.first] : [])) ?? [];
	}

	#step(id: string, running: Running, event: VirtualServerEvent): void {
		if (this.#closed) return;
		const { state, actions } = step(running.config, running.state, event);
		running.state = state;
		for (const action of actions) this.#act(id, running, action);
	}

	#act(id: string, running: Running, action: VirtualServerAction): void {
		switch (action.type) {
			case "arm":
				this.#arm(id, running, action);
				break;
			case "run":
				this.#run(id, running, action.server, action.check, action.url);
				break;
			case "forget": {
				const key = checkKey(action.server, action.check);
				running.checks.get(key)?.stop();
				running.checks.delete(key);
				break;
			}
			case "notify":
				this.#tell(id, running.config, action);
				break;
			default:
				action satisfies never;
		}
	}

	#arm(id: string, running: Running, action: Extract<VirtualServerAction, { type: "arm" }>): void {
		const { clock, random = Math.random } = this.#deps;
		const { server, check } = action;
		const key = checkKey(server, check);
		running.checks.get(key)?.stop();
		const delayMs = action.afterMs + random() * action.spreadMs;
		const due = (): void => {
			this.#step(id, running, { type: "due", server, check });
			this.#handOut();
		};
		const known = running.checks.get(key) ?? { stop: () => undefined };
		running.checks.set(key, known);
		const found = findCheck(running.config, server, check);
		if (found?.check.type === "file") due();
		else known.stop = clock.after(delayMs, due);
	}

	#run(id: string, running: Running, server: string, check: string, url: number): void {
		const found = findCheck(running.config, server, check);
		const known = running.checks.get(checkKey(server, check));
		if (!found || !known) return;
		const { clock } = this.#deps;
		const startMs = clock.monotonicMs();
		const take = (outcome: CheckOutcome): void => {
			known.lastMs = clock.monotonicMs();
			this.#step(id, running, { type: "checked", server, check, outcome, tookMs: known.lastMs - startMs });
			this.#handOut();
		};
		if (found.check.type === "bfd") return;
		if (found.check.type === "file") {
			known.stop = this.#watchFile(found.check, take);
			return;
		}
		known.stop = this.#ask(running.config, found.server, found.check, url, take);
	}

	#watchFile(check: Extract<RealServerCheck, { type: "file" }>, take: (outcome: CheckOutcome) => void): Cancel {
		const file = this.#conf.servers.trackFiles?.get(check.trackFile);
		if (!file) return () => undefined;
		const probe = startFileProbe(
			{
				type: "file",
				path: file.path,
				overwrites: file.overwrites,
				...(file.initial === undefined ? {} : { initial: file.initial }),
				limit: 2 ** 31 - 1,
			},
			{ clock: this.#deps.clock, onResult: take },
		);
		return () => probe.close();
	}

	#ask(
		config: VirtualServer,
		server: VirtualServer["realServers"][number],
		check: AskedCheck,
		url: number,
		take: (outcome: CheckOutcome) => void,
	): Cancel {
		const { runCheck = runRealServerCheck, clock } = this.#deps;
		const port = server.port ?? (config.target.type === "address" ? config.target.port : undefined) ?? 0;
		const virtualHost = server.virtualHost ?? config.virtualHost;
		const given = new AbortController();
		void runCheck(
			check,
			{ address: server.address, port, ...(virtualHost === undefined ? {} : { virtualHost }) },
			url,
			{ clock, scripts: this.#conf.global.scripts, signal: given.signal },
		).then((outcome) => {
			if (!given.signal.aborted) take(outcome);
		});
		return () => given.abort();
	}

	#tell(id: string, config: VirtualServer, action: Extract<VirtualServerAction, { type: "notify" }>): void {
		const { log, notify } = this.#deps;
		const isBad = action.notice === "serverDown" || action.notice === "quorumDown";
		log[isBad ? "warn" : "info"](
			{ virtualServer: id, ...(action.server ? { realServer: action.server } : {}), because: action.because },
			sentences[action.notice],
		);
		notify?.(serverNotification(config, action));
	}

	/** Everything that is not as it was handed out. */
	#handOut(gone: ReadonlyMap<string, undefined> = new Map()): void {
		if (this.#closed) return;
		const changed = new Map<string, readonly Balancer[] | undefined>(gone);
		const facts = { groups: this.#conf.servers.groups, backend: this.#deps.backend };
		for (const [id, running] of this.#servers) {
			const balancers = balancersOf(running.config, poolOf(running.config, running.state), facts);
			const text = JSON.stringify(balancers);
			if (text === running.text) continue;
			Object.assign(running, { balancers, text });
			changed.set(id, balancers);
		}
		if (changed.size > 0) this.#deps.apply(changed);
	}
}

const sentences = {
	serverUp: "a real server takes connections",
	serverDown: "a real server takes no connections",
	quorumUp: "a virtual server has its quorum",
	quorumDown: "a virtual server has lost its quorum",
} as const;

const checkKey = (server: string, check: string): string => `${server} ${check}`;

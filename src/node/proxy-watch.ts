// Puts questions to a running Envoy all the time, on connections that stay: one to each worker thread, one through a worker to the
// main thread. In: where its sockets are. Out: verdicts for the pod's switch, as hotswitch/proxy-health.ts judges.

import { Agent, request } from "node:http";
import {
	defaultProxyHealthConfig,
	goodHealth,
	type HealthVerdict,
	judge,
	type ProxyHealth,
	type ProxyHealthConfig,
} from "../hotswitch/proxy-health.ts";
import type { Cancel, Clock } from "../runtime/clock.ts";
import type { EnvoyAdmin } from "./envoy-admin.ts";
import { megaMissesOf, watchdogFilter } from "./plan/envoy-stats.ts";
import { readinessPath, workerPath } from "./plan/watch-listener.ts";

export interface ProxyWatchDeps {
	readonly clock: Clock;
	readonly onVerdict: (verdict: HealthVerdict) => void;
	/** Something that costs no connection; empty when it is over. */
	readonly onRemark: (remark: string) => void;
	readonly config?: Partial<ProxyHealthConfig>;
	/** Between two looks. Default 1,000. */
	readonly intervalMs?: number;
}

export interface WatchedProxy {
	readonly socketPath: string;
	readonly admin: EnvoyAdmin;
	/** Worker threads. */
	readonly concurrency: number;
}

/** To read the watchdogs' counters is dear where there are thousands of clusters. */
const watchdogEveryLooks = 10;

export class ProxyWatch {
	readonly #proxy: WatchedProxy;
	readonly #deps: ProxyWatchDeps;
	readonly #config: ProxyHealthConfig;
	readonly #workers: readonly Question[];
	readonly #main: Question;
	readonly #intervalMs: number;
	#health: ProxyHealth = goodHealth;
	#megaMisses: ReadonlyMap<string, number> | undefined;
	#looks = 0;
	#lookedMs: number;
	#cancel: Cancel = () => {};
	#closed = false;

	constructor(proxy: WatchedProxy, deps: ProxyWatchDeps) {
		this.#proxy = proxy;
		this.#deps = deps;
		this.#config = { ...defaultProxyHealthConfig, ...deps.config };
		this.#intervalMs = deps.intervalMs ?? 1_000;
		this.#workers = Array.from({ length: proxy.concurrency }, () => new Question(proxy.socketPath, deps.clock));
		this.#main = new Question(proxy.socketPath, deps.clock);
		this.#lookedMs = deps.clock.monotonicMs();
		this.#look();
	}

	close(): void {
		this.#closed = true;
		this.#cancel();
		for (const question of [...this.#workers, this.#main]) question.close();
	}

	#look(): void {
		if (this.#closed) return;
		const nowMs = this.#deps.clock.monotonicMs();
		const lateMs = nowMs - this.#lookedMs - this.#intervalMs;
		this.#lookedMs = nowMs;
		this.#looks++;
		// An agent that was itself held up has not read yet what was answered meanwhile.
		if (lateMs < this.#config.silentMs / 4) this.#judge();
		for (const question of this.#workers) question.ask([workerPath]);
		this.#main.ask([workerPath, readinessPath]);
		if (this.#looks % watchdogEveryLooks === 1) void this.#readWatchdogs();
		this.#cancel = this.#deps.clock.after(this.#intervalMs, () => this.#look());
	}

	#judge(): void {
		const { health, verdict, remark } = judge(this.#config, this.#health, {
			workersWaitMs: [...this.#workers.map((question) => question.waitMs), this.#main.waitMsFor(workerPath)],
			mainWaitMs: this.#main.waitMsFor(readinessPath),
			megaMisses: this.#megaMisses ?? new Map(),
			...(this.#main.answer ? { readiness: this.#main.answer } : {}),
		});
		this.#health = health;
		if (remark !== undefined) this.#deps.onRemark(remark);
		if (verdict) this.#deps.onVerdict(verdict);
	}

	/** What was counted before it became ready does not matter any more. */
	async #readWatchdogs(): Promise<void> {
		const answer = await this.#proxy.admin.get(`/stats?filter=${encodeURIComponent(watchdogFilter)}`);
		if (answer?.status !== 200 || this.#closed) return;
		const megaMisses = megaMissesOf(answer.body);
		if (!this.#megaMisses) this.#health = { ...this.#health, megaMisses };
		this.#megaMisses = megaMisses;
	}
}

/** One question after the other on one connection. One that is not answered keeps its place, and so its worker. */
class Question {
	/** What the last path said. */
	answer: { readonly isReady: boolean; readonly because: string } | undefined;
	readonly #socketPath: string;
	readonly #clock: Clock;
	readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
	#asked: { readonly path: string; readonly sinceMs: number } | undefined;
	#closed = false;

	constructor(socketPath: string, clock: Clock) {
		this.#socketPath = socketPath;
		this.#clock = clock;
	}

	/** 0: it was answered. */
	get waitMs(): number {
		return this.#asked ? this.#clock.monotonicMs() - this.#asked.sinceMs : 0;
	}

	waitMsFor(path: string): number {
		return this.#asked?.path === path ? this.waitMs : 0;
	}

	/** Nothing, while an earlier question waits. */
	ask([path, ...next]: readonly string[]): void {
		if (this.#asked || this.#closed || path === undefined) return;
		this.#asked = { path, sinceMs: this.#clock.monotonicMs() };
		const outgoing = request({ socketPath: this.#socketPath, path, agent: this.#agent, headers: { host: "watch" } });
		outgoing.on("response", (response) => {
			let said = "";
			response.setEncoding("utf8").on("data", (chunk: string) => {
				said += chunk;
			});
			response.on("error", () => {});
			response.on("close", () => {
				this.#asked = undefined;
				const isReady = response.statusCode === 200;
				const because = said.trim() || `status ${response.statusCode}`;
				if (path === readinessPath) this.answer = { isReady, because };
				this.ask(next);
			});
		});
		// Its process has ended, or closes: others tell of that.
		outgoing.on("error", () => {
			this.#asked = undefined;
		});
		outgoing.end();
	}

	close(): void {
		this.#closed = true;
		this.#agent.destroy();
	}
}

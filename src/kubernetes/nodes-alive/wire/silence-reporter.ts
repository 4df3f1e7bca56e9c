// Tells every control plane what this node does not hear. In: what is silent, as it changes. Out: a call to each of them, at once.
// Sessions stay open while nothing is to be told, so that a report finds them ready.

import type { ControlCaller, ControlSecurity } from "../../../node/identity/control-caller.ts";
import type { HostPort } from "../../../node/identity/control-trust.ts";
import type { Cancel, Clock } from "../../../runtime/clock.ts";
import type { Log } from "../../../runtime/log.ts";
import type { SilentNode } from "../silence-machine.ts";
import { encodeSilenceReport, silenceReportPath } from "../silence-report.ts";

export interface SilenceReporterDeps {
	readonly node: string;
	/** All control planes of this moment. */
	readonly upstreams: () => readonly HostPort[];
	/** Undefined while the node has not joined the mesh. */
	readonly security: () => ControlSecurity | undefined;
	readonly caller: (upstream: HostPort) => Pick<ControlCaller, "call" | "close">;
	readonly clock: Clock;
	readonly log: Log;
}

const timeoutMs = 2_000;
const againMs = 100;
/** Without anything to tell. */
const keepOpenMs = 10_000;

export class SilenceReporter {
	readonly #deps: SilenceReporterDeps;
	readonly #agentMs: number;
	readonly #callers = new Map<string, Pick<ControlCaller, "call" | "close">>();
	readonly #failing = new Set<string>();
	#sequence = 0;
	#silent: readonly SilentNode[] = [];
	#cancel: Cancel = () => {};
	#isClosed = false;

	constructor(deps: SilenceReporterDeps) {
		this.#deps = deps;
		this.#agentMs = deps.clock.wallMs();
	}

	report(silent: readonly SilentNode[]): void {
		if (this.#isClosed) return;
		this.#silent = silent;
		this.#tellAll();
	}

	close(): void {
		this.#isClosed = true;
		this.#cancel();
		for (const caller of this.#callers.values()) caller.close();
		this.#callers.clear();
	}

	#tellAll(): void {
		this.#cancel();
		this.#cancel = this.#deps.clock.after(keepOpenMs, () => this.#tellAll());
		const wanted = new Map(this.#deps.upstreams().map((one) => [`${one.host}:${one.port}`, one]));
		for (const [name, caller] of this.#callers) {
			if (wanted.has(name)) continue;
			caller.close();
			this.#callers.delete(name);
			this.#failing.delete(name);
		}
		const security = this.#deps.security();
		if (!security) {
			this.#soon();
			return;
		}
		for (const [name, upstream] of wanted) {
			const caller = this.#callers.get(name) ?? this.#deps.caller(upstream);
			this.#callers.set(name, caller);
			void this.#tell(name, caller, security);
		}
	}

	async #tell(name: string, caller: Pick<ControlCaller, "call">, security: ControlSecurity): Promise<void> {
		const { log, node } = this.#deps;
		const report = { node, agentMs: this.#agentMs, sequence: ++this.#sequence, silent: this.#silent };
		const call = { path: silenceReportPath, message: encodeSilenceReport(report), timeoutMs };
		try {
			await caller.call(security, call);
			if (this.#failing.delete(name)) log.info({ control: name }, "heartbeats: the control plane takes reports again");
		} catch (error) {
			if (this.#isClosed) return;
			const because = error instanceof Error ? error.message : String(error);
			if (!this.#failing.has(name))
				log.warn({ control: name, because }, "heartbeats: the control plane takes no reports");
			this.#failing.add(name);
			if (this.#silent.length > 0) this.#soon();
		}
	}

	#soon(): void {
		if (this.#isClosed) return;
		this.#cancel();
		this.#cancel = this.#deps.clock.after(againMs, () => this.#tellAll());
	}
}

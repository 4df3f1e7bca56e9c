// Moves by order: which are under way, who was asked to take over, and who waits to hear what became of it.

import type { Successor } from "./heartbeat-links.ts";
import type { VirtualRouter } from "./virtual-router.ts";

export type Answer = { readonly ok: true; readonly message: string } | { readonly ok: false; readonly because: string };

export class PlannedMoves {
	/** By instance: the node that is asked; 0: nobody by name. */
	readonly #successors = new Map<string, number>();
	readonly #waiting = new Map<string, (answer: Answer) => void>();

	isMoving(instance: string): boolean {
		return this.#successors.has(instance);
	}

	/** For the heartbeat; 0: nobody. */
	successorOf(instance: string): number {
		return this.#successors.get(instance) ?? 0;
	}

	/** `members` move together: the instance and its group. */
	start(
		router: VirtualRouter,
		members: readonly VirtualRouter[],
		successor: Successor | undefined,
		nowUs: number,
		onDone: (answer: Answer) => void,
	): void {
		const { name } = router.config;
		const refusal = this.#refusalOf(router, successor);
		if (refusal !== undefined) {
			onDone({ ok: false, because: refusal });
			return;
		}
		this.#waiting.set(name, onDone);
		for (const { config } of members) this.#successors.set(config.name, successor?.ok ? successor.node : 0);
		for (const member of members) member.deliver({ type: "moveRequested", nowUs, named: successor !== undefined });
	}

	/** After each event of an instance: a hand-over that is over is told. */
	stepped({ config: { name }, state }: VirtualRouter): void {
		if (!this.#successors.has(name) || state.handOver) return;
		this.#successors.delete(name);
		const done = this.#waiting.get(name);
		this.#waiting.delete(name);
		if (state.role === "MASTER")
			done?.({ ok: false, because: `nobody took ${name} over in time; this node stays its owner` });
		else done?.({ ok: true, message: `${name} moved: ${state.because}` });
	}

	#refusalOf({ config: { name }, state }: VirtualRouter, successor: Successor | undefined): string | undefined {
		if (state.role !== "MASTER") {
			const owner = state.heard ? `; ${state.heard.source} does: ask there` : "";
			return `this node does not own ${name} (it is ${state.role})${owner}`;
		}
		if (this.isMoving(name)) return `${name} is being handed over already`;
		return successor && !successor.ok ? successor.because : undefined;
	}
}

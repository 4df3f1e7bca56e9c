// Turns the results of a readiness check into orders for an adopted redirect: off when the proxy has failed several times in a
// row, back when it is good again. One order runs at a time; one that failed is given again with the next result.

import { countResult, type RiseFallConfig, type RiseFallState, startRiseFall } from "../../health/rise-fall.ts";

export type ReadinessOrder = "bypass" | "restore";

export class ReadinessSwitch {
	readonly #config: RiseFallConfig;
	readonly #give: (order: ReadinessOrder) => Promise<boolean>;
	#counted: RiseFallState;
	#done: ReadinessOrder | undefined;
	#isBusy = false;

	/** `give`: true when the order is carried out; must not throw. Before the first decision no order is given. */
	constructor(
		counts: { readonly rise: number; readonly fall: number },
		give: (order: ReadinessOrder) => Promise<boolean>,
	) {
		this.#config = { ...counts, startsFailed: false, firstResultDecides: false };
		this.#counted = startRiseFall(this.#config);
		this.#give = give;
	}

	count(ok: boolean): void {
		this.#counted = countResult(this.#config, this.#counted, ok);
		void this.#settle();
	}

	async #settle(): Promise<void> {
		if (this.#isBusy) return;
		this.#isBusy = true;
		try {
			for (let order = this.#wanted(); order !== undefined; order = this.#wanted()) {
				if (!(await this.#give(order))) return;
				this.#done = order;
			}
		} finally {
			this.#isBusy = false;
		}
	}

	#wanted(): ReadinessOrder | undefined {
		const { status } = this.#counted;
		if (status === "unknown") return undefined;
		const order = status === "up" ? "restore" : "bypass";
		return order === this.#done ? undefined : order;
	}
}

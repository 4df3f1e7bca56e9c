// For tests: an API server in memory and clients of it that can be cut off, on a clock that is moved by hand.

import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { FakeApi } from "../client/fake-api.testing.ts";
import type { KubernetesClient } from "../client/kubernetes-client.ts";

export interface CuttableClient {
	readonly client: KubernetesClient;
	cut(isCut: boolean): void;
}

export class FakeCluster {
	readonly api = new FakeApi();
	readonly clock = new VirtualClock(Date.now());

	client(): CuttableClient {
		let isCut = false;
		const refused = (): Promise<never> => Promise.reject(new Error("connect ECONNREFUSED"));
		const client = Object.create(this.api, {
			request: {
				value: (...asked: Parameters<FakeApi["request"]>) => (isCut ? refused() : this.api.request(...asked)),
			},
			open: { value: (...asked: Parameters<FakeApi["open"]>) => (isCut ? refused() : this.api.open(...asked)) },
		}) as FakeApi;
		return {
			client,
			cut: (now) => {
				isCut = now;
				if (now) this.api.breakWatches();
			},
		};
	}

	/** Lets everything happen that takes no time, then time. */
	async pass(ms: number, stepMs = 100): Promise<void> {
		await settle();
		for (let at = 0; at < ms; at += stepMs) {
			this.clock.advance(stepMs);
			await settle();
		}
	}

	async until(what: string, ask: () => boolean, withinMs = 120_000): Promise<void> {
		for (let at = 0; !ask(); at += 100) {
			if (at > withinMs) throw new Error(`${what}: not within ${withinMs} ms`);
			await this.pass(100);
		}
	}
}

async function settle(): Promise<void> {
	for (let turn = 0; turn < 6; turn++) await new Promise((done) => setImmediate(done));
}

// Foreign holders of addresses: one watch for each interface, however many virtual routers stand on it.

import type { AddressConflict, ConflictWatch, HostNetwork } from "../../kernel/host-network.ts";

export interface ConflictListener {
	readonly addresses: readonly string[];
	readonly onConflict: (conflict: AddressConflict) => void;
}

interface Shared {
	readonly watch: ConflictWatch;
	readonly listeners: Map<object, ConflictListener>;
	byAddress: ReadonlyMap<string, readonly ConflictListener[]>;
}

export class ConflictWatches {
	readonly #network: Pick<HostNetwork, "watchConflicts">;
	readonly #onFailure: (interfaceName: string, because: string) => void;
	readonly #shared = new Map<string, Shared>();

	constructor(
		network: Pick<HostNetwork, "watchConflicts">,
		onFailure: (interfaceName: string, because: string) => void,
	) {
		this.#network = network;
		this.#onFailure = onFailure;
	}

	/** Sets what one owner listens for; without a listener it listens no more. */
	set(interfaceName: string, owner: object, listener: ConflictListener | undefined): void {
		const shared = this.#shared.get(interfaceName) ?? (listener && this.#open(interfaceName, listener));
		if (!shared) return;
		if (listener) shared.listeners.set(owner, listener);
		else shared.listeners.delete(owner);
		if (shared.listeners.size === 0) {
			shared.watch.close();
			this.#shared.delete(interfaceName);
			return;
		}
		const pairs = [...shared.listeners.values()].flatMap((one) => one.addresses.map((address) => ({ address, one })));
		const grouped = Map.groupBy(pairs, ({ address }) => address);
		shared.byAddress = new Map([...grouped].map(([address, found]) => [address, found.map(({ one }) => one)]));
		shared.watch.setAddresses([...shared.byAddress.keys()]);
	}

	/** Asks the LAN who has it. */
	probe(interfaceName: string, address: string): void {
		this.#shared.get(interfaceName)?.watch.probe(address);
	}

	#open(interfaceName: string, { addresses }: ConflictListener): Shared | undefined {
		const opened = this.#network.watchConflicts({ interface: interfaceName, addresses }, (conflict) => {
			for (const { onConflict } of shared?.byAddress.get(conflict.address) ?? []) onConflict(conflict);
		});
		if (!opened.ok) {
			this.#onFailure(interfaceName, opened.message);
			return undefined;
		}
		const shared: Shared = { watch: opened.value, listeners: new Map(), byAddress: new Map() };
		this.#shared.set(interfaceName, shared);
		return shared;
	}
}

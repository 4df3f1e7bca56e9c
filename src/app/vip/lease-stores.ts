// The stores of leases by where they are. Code is loaded by the first use: most processes have no lease.

import type { LeaseName, LeaseOutcome, LeaseStore } from "../../vip/election/lease-store.ts";
import type { LeaseConfig } from "../../vip/vip-config.ts";

const noStore: LeaseOutcome = {
	ok: false,
	because: "unreachable",
	message: "no cluster is followed: run with --kubernetes, or set lease.directory to a directory that the nodes share",
};
const nowhere: LeaseStore = {
	read: async () => noStore,
	acquire: async () => noStore,
	renew: async () => noStore,
	release: async () => noStore,
};

export class LeaseStores {
	readonly #stores = new Map<string, LeaseStore>();
	readonly #wallMs: () => number;
	readonly #socket: string | undefined;

	/** `socket`: where leases of Kubernetes are asked for; default nowhere. */
	constructor(wallMs: () => number, socket?: string) {
		this.#wallMs = wallMs;
		this.#socket = socket;
	}

	/** One for each directory, so that one that hangs is asked once. */
	storeFor({ directory }: LeaseConfig): LeaseStore {
		if (directory === undefined) return this.#storeOfCluster();
		const known = this.#stores.get(directory);
		if (known) return known;
		const store = new LateStore(async () => {
			const { FileLeaseStore } = await import("./file-lease-store.ts");
			return new FileLeaseStore(directory, this.#wallMs);
		});
		this.#stores.set(directory, store);
		return store;
	}

	#storeOfCluster(): LeaseStore {
		const socket = this.#socket;
		if (socket === undefined) return nowhere;
		const store =
			this.#stores.get("") ??
			new LateStore(async () => {
				const { SocketLeaseStore } = await import("./lease-socket.ts");
				return new SocketLeaseStore(socket);
			});
		this.#stores.set("", store);
		return store;
	}
}

class LateStore implements LeaseStore {
	readonly #open: () => Promise<LeaseStore>;
	#opened: Promise<LeaseStore> | undefined;

	constructor(open: () => Promise<LeaseStore>) {
		this.#open = open;
	}

	async read(name: LeaseName): Promise<LeaseOutcome> {
		return (await this.#store()).read(name);
	}

	async acquire(...asked: Parameters<LeaseStore["acquire"]>): Promise<LeaseOutcome> {
		return (await this.#store()).acquire(...asked);
	}

	async renew(...asked: Parameters<LeaseStore["renew"]>): Promise<LeaseOutcome> {
		return (await this.#store()).renew(...asked);
	}

	async release(...asked: Parameters<LeaseStore["release"]>): Promise<LeaseOutcome> {
		return (await this.#store()).release(...asked);
	}

	#store(): Promise<LeaseStore> {
		this.#opened ??= this.#open();
		return this.#opened;
	}
}

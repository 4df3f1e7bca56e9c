// For tests of the relay: a relay on a socket of its own, control planes behind it and clients before it, all gone after each test.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "node:test";
import { realClock } from "../../runtime/clock.ts";
import { silentLog } from "../../runtime/log.ts";
import type { ResourceSet } from "../resource.ts";
import { proxyConfig } from "../session.testing.ts";
import { startTestControl, TestClient, type TestControl } from "./ads-client.testing.ts";
import { startXdsRelay, type XdsRelay, type XdsRelayOptions } from "./xds-relay.ts";
import type { XdsServerOptions } from "./xds-server.ts";

export class RelayRig {
	readonly directory = mkdtempSync(join(tmpdir(), "keepmesh-relay-"));
	readonly socketPath = join(this.directory, "xds.sock");
	relay: XdsRelay | undefined;
	#controls: TestControl[] = [];
	#clients: TestClient[] = [];

	/** In a `describe`: its tests share the rig. */
	constructor() {
		afterEach(() => this.#clear());
		process.on("exit", () => rmSync(this.directory, { recursive: true, force: true }));
	}

	control(...sets: readonly ResourceSet[]): Promise<TestControl> {
		return this.controlAt({ host: "127.0.0.1", port: 0 }, ...sets);
	}

	async controlAt(listen: XdsServerOptions["listen"], ...sets: readonly ResourceSet[]): Promise<TestControl> {
		const started = await startTestControl(proxyConfig(...sets), { listen });
		this.#controls.push(started);
		return started;
	}

	async end(control: TestControl): Promise<void> {
		this.#controls = this.#controls.filter((each) => each !== control);
		await control.server.close();
	}

	async start(upstreams: readonly Pick<TestControl, "port">[], options: Partial<XdsRelayOptions> = {}): Promise<void> {
		this.relay = await startXdsRelay(
			{
				socketPath: this.socketPath,
				upstreams: upstreams.map(({ port }) => ({ host: "127.0.0.1", port })),
				...options,
			},
			{ clock: realClock, log: silentLog, random: () => 0 },
		);
	}

	client(): TestClient {
		const opened = new TestClient({ socketPath: this.socketPath });
		this.#clients.push(opened);
		return opened;
	}

	async #clear(): Promise<void> {
		for (const each of this.#clients) each.stream.close();
		await this.relay?.close();
		for (const each of this.#controls) await each.server.close();
		this.relay = undefined;
		this.#controls = [];
		this.#clients = [];
	}
}

/** How many resources it has of a type. */
export function heldBy(client: TestClient, typeUrl: string): number {
	return client.held.get(typeUrl)?.size ?? 0;
}

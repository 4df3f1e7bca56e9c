// Interfaces that virtual routers stand on: why one cannot carry them now. Changes that are over sooner than
// `interface_up_down_delays` are not seen.

import type { HostNetwork, LinkState, NetworkEvent } from "../../kernel/host-network.ts";
import type { RealTimeLoop } from "../../kernel/real-time-loop.ts";
import type { Cancel } from "../../runtime/clock.ts";
import type { VipGlobal } from "../../vip/vip-config.ts";

export class LinkFaults {
	readonly #network: Pick<HostNetwork, "link">;
	readonly #loop: Pick<RealTimeLoop, "nowUs" | "at">;
	readonly #onChange: (interfaceName: string) => void;
	readonly #known = new Map<string, string | undefined>();
	readonly #pending = new Map<string, Cancel>();
	#delays: VipGlobal["interfaceDelays"];

	constructor(
		network: Pick<HostNetwork, "link">,
		loop: Pick<RealTimeLoop, "nowUs" | "at">,
		delays: VipGlobal["interfaceDelays"],
		onChange: (interfaceName: string) => void,
	) {
		this.#network = network;
		this.#loop = loop;
		this.#delays = delays;
		this.#onChange = onChange;
	}

	setDelays(delays: VipGlobal["interfaceDelays"]): void {
		this.#delays = delays;
	}

	/** Undefined: it can. */
	faultOf(interfaceName: string): string | undefined {
		if (!this.#known.has(interfaceName))
			this.#known.set(interfaceName, faultOfLink(interfaceName, this.#network.link(interfaceName)));
		return this.#known.get(interfaceName);
	}

	handle(event: NetworkEvent): void {
		if (event.type === "link") this.#see(event.link.name);
		if (event.type === "linkGone") this.#see(event.name);
		if (event.type === "eventsLost") for (const name of this.#known.keys()) this.#see(name);
	}

	close(): void {
		for (const cancel of this.#pending.values()) cancel();
	}

	#see(name: string): void {
		if (!this.#known.has(name)) return;
		this.#pending.get(name)?.();
		this.#pending.delete(name);
		const before = this.#known.get(name);
		const now = faultOfLink(name, this.#network.link(name));
		if (before === now) return;
		const delays = this.#delays?.find((delay) => delay.interface === name);
		const delayMs = (now === undefined ? delays?.upMs : delays?.downMs) ?? 0;
		const change = (): void => {
			this.#pending.delete(name);
			this.#known.set(name, now);
			this.#onChange(name);
		};
		if (delayMs === 0 || (before !== undefined && now !== undefined)) change();
		else this.#pending.set(name, this.#loop.at(this.#loop.nowUs() + delayMs * 1000, change));
	}
}

function faultOfLink(name: string, link: LinkState | undefined): string | undefined {
	if (!link) return `there is no interface ${name}`;
	if (!link.up) return `${name} is switched off`;
	return link.running ? undefined : `${name} has no carrier`;
}

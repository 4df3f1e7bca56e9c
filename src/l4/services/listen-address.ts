// Where a server listens, as configuration files write it.

import { canonicalAddress } from "./canonical-address.ts";
import type { ListenAddress } from "./kube-proxy-settings.ts";

/** `ADDRESS`, `ADDRESS:PORT`, `[ADDRESS]:PORT`; undefined for what is neither. */
export function parseListenAddress(text: string, defaultPort: number): ListenAddress | undefined {
	const alone = canonicalAddress(text);
	if (alone !== undefined) return { address: alone.text, port: defaultPort };
	const [, six, four, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
	const address = canonicalAddress(six ?? four ?? "");
	const number = Number(port);
	return address && number > 0 && number <= 65_535 ? { address: address.text, port: number } : undefined;
}

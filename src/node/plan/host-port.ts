// `ADDRESS[:PORT]` as people type it: `10.0.0.1`, `10.0.0.1:5353`, `fd00::1`, `[fd00::1]:5353`.

import { ipFamilyOf } from "../../hotswitch/ip-text.ts";

export interface IpPort {
	readonly address: string;
	readonly port: number;
}

/** Undefined when the text is none. */
export function parseIpPort(text: string, defaultPort: number): IpPort | undefined {
	if (ipFamilyOf(text)) return { address: text, port: defaultPort };
	const match = text.match(/^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/);
	const address = match?.[1] ?? match?.[2] ?? "";
	const port = Number(match?.[3] ?? defaultPort);
	return ipFamilyOf(address) && port <= 65_535 ? { address, port } : undefined;
}

export function renderIpPort({ address, port }: IpPort): string {
	return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

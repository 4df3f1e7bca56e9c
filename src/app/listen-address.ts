// Where to listen, as flags say it: ADDRESS:PORT, an IPv6 address in brackets. Out: both apart; undefined when it is not so written.

export interface ListenAddress {
	readonly host: string;
	readonly port: number;
}

export function listenAddressOf(text: string): ListenAddress | undefined {
	const [, ipv6, other, port] = text.match(/^(?:\[([0-9a-fA-F:]+)\]|([^:]+)):(\d{1,5})$/) ?? [];
	const host = ipv6 ?? other;
	return host === undefined ? undefined : { host, port: Number(port) };
}

// For tests: the rules that Istio's init container loads, for iptables-restore, and rules of a user that were there before it
// and come after it. Facts of tools/istio-iptables in istio/istio.

import type { IpFamily } from "../ip-text.ts";

const addresses = {
	4: { loopback: "127.0.0.1/32", passThrough: "127.0.0.6/32", other: "192.0.2.9/32" },
	6: { loopback: "::1/128", passThrough: "::6/128", other: "2001:db8::9/128" },
} as const;

/** In every table that Istio writes to. */
export const usersRules = (family: IpFamily): string => `*nat
:WEB - [0:0]
-A WEB -p tcp --dport 9000 -j REDIRECT --to-ports 9001
-A PREROUTING -p tcp --dport 9000 -j WEB
-A OUTPUT -d ${addresses[family].other} -p tcp -m comment --comment "the user's own" -j RETURN
COMMIT
*mangle
-A OUTPUT -p udp -j MARK --set-mark 7
COMMIT
*raw
-A OUTPUT -p udp --dport 99 -j ACCEPT
COMMIT
`;

/** What a user added when Istio's rules were there: one between them, one at the end. */
export const laterUsersRules = (): string => `*nat
-I OUTPUT 1 -p tcp --dport 7777 -j ACCEPT
-A PREROUTING -p tcp --dport 7778 -j ACCEPT
COMMIT
*mangle
-I OUTPUT 3 -p tcp --dport 7777 -j ACCEPT
COMMIT
`;

export interface IstioOptions {
	readonly tproxy?: boolean;
	readonly dns?: boolean;
}

export function istioRules(family: IpFamily, { dns, tproxy }: IstioOptions = {}): string {
	const { loopback, passThrough } = addresses[family];
	const inbound = tproxy
		? ""
		: `-A PREROUTING -p tcp -j ISTIO_INBOUND
-A ISTIO_INBOUND -p tcp --dport 15020 -j RETURN
-A ISTIO_INBOUND -p tcp --dport 15021 -j RETURN
-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT
`;
	const nat = `*nat
:ISTIO_INBOUND - [0:0]
:ISTIO_REDIRECT - [0:0]
:ISTIO_IN_REDIRECT - [0:0]
:ISTIO_OUTPUT - [0:0]
-A ISTIO_INBOUND -p tcp --dport 15008 -j RETURN
-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001
-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006
${inbound}-A OUTPUT ${dns ? "" : "-p tcp "}-j ISTIO_OUTPUT
-A ISTIO_OUTPUT -o lo -s ${passThrough} -j RETURN
-A ISTIO_OUTPUT -o lo ! -d ${loopback} -p tcp ! --dport 15008 -m owner --uid-owner 1337 -j ISTIO_IN_REDIRECT
-A ISTIO_OUTPUT -o lo -m owner ! --uid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN
${dns ? "-A ISTIO_OUTPUT -p udp --dport 53 -m owner --gid-owner 1337 -j RETURN\n" : ""}-A ISTIO_OUTPUT -d ${loopback} -j RETURN
-A ISTIO_OUTPUT -p tcp -j ISTIO_REDIRECT
COMMIT
`;
	const mangle = `*mangle
:ISTIO_DIVERT - [0:0]
:ISTIO_TPROXY - [0:0]
:ISTIO_INBOUND - [0:0]
-A ISTIO_DIVERT -j MARK --set-mark 1337
-A ISTIO_DIVERT -j ACCEPT
-A ISTIO_TPROXY ! -d ${loopback} -p tcp -j TPROXY --tproxy-mark 1337/0xffffffff --on-port 15006
-A PREROUTING -p tcp -j ISTIO_INBOUND
-A ISTIO_INBOUND -p tcp -i lo -m mark ! --mark 1338 -j RETURN
-A ISTIO_INBOUND -p tcp -m conntrack --ctstate RELATED,ESTABLISHED -j ISTIO_DIVERT
-A ISTIO_INBOUND -p tcp -j ISTIO_TPROXY
-A PREROUTING -p tcp -m mark --mark 1337 -j CONNMARK --save-mark
-A OUTPUT -p tcp -o lo -m mark --mark 1337 -j RETURN
-A OUTPUT ! -d ${loopback} -p tcp -o lo -m owner --uid-owner 1337 -j MARK --set-mark 1338
-A OUTPUT -p tcp -m connmark --mark 1337 -j CONNMARK --restore-mark
COMMIT
`;
	const raw = `*raw
:ISTIO_OUTPUT_DNS - [0:0]
-A OUTPUT -j ISTIO_OUTPUT_DNS
-A ISTIO_OUTPUT_DNS -p udp --dport 53 -m owner --uid-owner 1337 -j CT --zone 1
-A ISTIO_OUTPUT_DNS -p udp --sport 15053 -m owner --uid-owner 1337 -j CT --zone 2
COMMIT
`;
	return `${nat}${tproxy ? mangle : ""}${dns ? raw : ""}`;
}

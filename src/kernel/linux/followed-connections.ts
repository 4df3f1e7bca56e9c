// Connections that follow their address: what arrives for it, and belongs to a TCP connection that this machine does not know, goes on to
// a machine that had the address before. In: all such addresses. Out: two tables of nftables, replaced whole. The rules know where the
// address is (`fib daddr type local`), so they may stand long before it comes.

import type { FollowedAddress, Outcome } from "../host-network.ts";
import { runCommand } from "../run-command.ts";

const table = "keepmesh_vip_open";
/**
 * The TTL of what is handed on first, and the last with which it goes further: `dup` takes one off each time, but lets 0 become 255. So a
 * packet ends after nine machines where rules are out of date and name each other in a circle, as those of a process that was killed may.
 */
const handedOn = { first: 32, last: 24 };

export async function followConnections(
	followed: readonly FollowedAddress[],
	netns: string | undefined,
): Promise<Outcome> {
	const words = netns === undefined ? ["nft"] : ["nsenter", `--net=${netns}`, "--", "nft"];
	const [program = "", ...args] = words;
	const { code, stderr } = await runCommand(program, [...args, "-f", "-"], { input: renderFollowed(followed) });
	if (code === 0) return { ok: true, changed: true };
	if (code === 127)
		return { ok: false, because: "unsupported", message: "no nft to hand packets on with; install nftables" };
	return { ok: false, because: "refused", message: `handing packets on: ${stderr.trim()}` };
}

/**
 * What nft reads. After connection tracking (-200), which has taken such a packet for the begin of a connection, and before what
 * would send it to any server (-100); the original is dropped, and with it that connection. Whoever gets one that it does not know
 * either, and translates nothing, resets it.
 */
function renderFollowed(followed: readonly FollowedAddress[]): string {
	return (["ip", "ip6"] as const)
		.map((family) => {
			const own = followed.filter(({ address, whenHere }) =>
				[address, whenHere].every((one) => familyOf(one) === family),
			);
			const replaced = `table ${family} ${table} {}\ndelete table ${family} ${table}\n`;
			if (own.length === 0) return replaced;
			// Invalid: a connection that ended here not long ago had the same port of the client.
			const unknown = "ct state new,invalid tcp flags & syn == 0";
			const ttl = family === "ip" ? "ip ttl" : "ip6 hoplimit";
			const { first, last } = handedOn;
			const handOn = own.flatMap(({ address, interface: on, whenElsewhere, whenHere }) => {
				const rules = (match: string, to: string): readonly string[] => [
					`${match} ${unknown} ${ttl} > ${first} ${ttl} set ${first} counter dup to ${to} device "${on}" drop`,
					`${match} ${unknown} ${ttl} ${last}-${first} counter dup to ${to} device "${on}" drop`,
				];
				return [
					...rules(`${family} daddr ${address} fib daddr type local`, whenHere),
					...(whenElsewhere === undefined ? [] : rules(`iifname "${on}" ${family} daddr ${address}`, whenElsewhere)),
				];
			});
			// It would go back to who handed it on.
			const refuse = own.map(
				({ address, interface: on }) =>
					`iifname "${on}" oifname "${on}" ${family} daddr ${address} meta l4proto tcp reject with tcp reset`,
			);
			const chains = [chain("prerouting", -150, handOn), chain("forward", 0, refuse)];
			return `${replaced}table ${family} ${table} {\n${chains.join("")}}\n`;
		})
		.join("");
}

function chain(hook: string, priority: number, rules: readonly string[]): string {
	const lines = [`type filter hook ${hook} priority ${priority}; policy accept;`, ...rules];
	return `\tchain ${hook} {\n${lines.map((line) => `\t\t${line}\n`).join("")}\t}\n`;
}

const familyOf = (address: string): "ip" | "ip6" => (address.includes(":") ? "ip6" : "ip");

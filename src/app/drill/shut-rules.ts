// What keeps drills' control planes away, as nft commands: refused inside of a control plane's pod, or unheard on a node. Both are in one
// table, whose removal takes everything back.

/** `table` of nftables. */
const table = "keepmesh-drill";

export const removeTable = `nft delete table inet ${table} 2>/dev/null || true`;

/** In a pod: who calls these ports from elsewhere is refused, as where no process listens. */
export function refuseCalls(ports: readonly number[]): string {
	return makeTable([
		chain("in", "input priority -10", `iifname != "lo" tcp dport ${set(ports)} reject with tcp reset`),
	]);
}

/** On a node: it and those at these addresses no longer hear each other on this port. */
export function cutOff(addresses: readonly string[], port: number): string {
	const families = [
		["ip", addresses.filter((address) => !address.includes(":"))],
		["ip6", addresses.filter((address) => address.includes(":"))],
	] as const;
	const rules = families.filter(([, own]) => own.length > 0);
	// Where addresses are the pods' own: behind the translation of what goes out, before that of what comes in.
	return makeTable([
		chain(
			"out",
			"postrouting priority 300",
			...rules.map(([ip, own]) => `${ip} daddr ${set(own)} tcp dport ${port} drop`),
		),
		chain(
			"in",
			"prerouting priority -310",
			...rules.map(([ip, own]) => `${ip} saddr ${set(own)} tcp sport ${port} drop`),
		),
	]);
}

/** One that a drill left behind goes first. */
function makeTable(chains: readonly string[]): string {
	return `${removeTable}; nft 'table inet ${table} { ${chains.join(" ")} }'`;
}

function chain(name: string, hook: string, ...rules: readonly string[]): string {
	return `chain ${name} { type filter hook ${hook}; ${rules.map((rule) => `${rule};`).join(" ")} };`;
}

const set = (items: readonly (string | number)[]): string => `{ ${items.join(", ")} }`;

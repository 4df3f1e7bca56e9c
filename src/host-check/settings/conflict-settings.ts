// Other programs that would do the same work, hold the same ports, or drop what Keepmesh forwards.

import type { HostFacts, ListeningPort, RunningProgram } from "../host-facts.ts";
import type { Judgement, Role, Setting } from "../setting.ts";

const portsOf: Readonly<Record<Role, readonly number[]>> = {
	control: [15_012, 15_014],
	node: [],
	vip: [],
	// kube-proxy's health and metrics, which layer 4 answers as well.
	l4: [10_249, 10_256],
};

const running = ({ processes }: HostFacts, name: string): RunningProgram | undefined =>
	processes.find((program) => program.name === name);

export const conflictSettings: readonly Setting[] = [
	{
		id: "conflict.kube-proxy",
		label: "kube-proxy",
		roles: ["l4"],
		judge: (facts) => {
			const program = running(facts, "kube-proxy");
			const rules = facts.chains?.filter(({ table, name }) => table === "kube-proxy" || name === "KUBE-SERVICES");
			const shouldBe = "not here";
			if (program)
				return {
					level: "must",
					is: `runs, ${program.pid}`,
					shouldBe,
					remedy: "one of both: take the node out of kube-proxy's DaemonSet",
				};
			const [left] = rules ?? [];
			if (left)
				return {
					level: "must",
					is: "left rules",
					shouldBe: "no rules",
					fault: "old rules answer for services before ours do",
					remedy:
						left.table === "kube-proxy"
							? "nft delete table ip kube-proxy; nft delete table ip6 kube-proxy"
							: "kube-proxy --cleanup, or iptables without the KUBE- chains",
				};
			return { level: "ok", is: "not here", shouldBe };
		},
		fault: "two programs answer for the same services",
		detail:
			"Whose rules come first takes a connection, and both change the same conntrack entries. Services with the label service.kubernetes.io/service-proxy-name belong to one of them only.",
	},
	{
		id: "conflict.forward-policy",
		label: "forward rules of others",
		roles: ["node", "l4"],
		judge: ({ chains }) => {
			if (!chains) return undefined;
			const dropping = chains.filter(({ hook, policy }) => hook === "forward" && policy === "drop");
			const [first] = dropping;
			const shouldBe = "accept pods' traffic";
			if (!first) return { level: "ok", is: "no drop policy", shouldBe };
			const isDocker = chains.some(({ name }) => name === "DOCKER-USER");
			return {
				level: "should",
				is: `drop in ${first.table}`,
				shouldBe,
				remedy: isDocker
					? "iptables -I DOCKER-USER -s POD-RANGE -j ACCEPT, and the same with -d"
					: `rules that accept pods' ranges in ${first.family} ${first.table} ${first.name}`,
			};
		},
		fault: "forwarded connections time out: a firewall drops them",
		detail:
			"A base chain of the forward hook drops by default (Docker, firewalld and ufw do that). A drop is final whatever other tables say.",
	},
	{
		id: "conflict.legacy-iptables",
		label: "old iptables tables",
		roles: ["node", "l4"],
		judge: ({ legacyTables }) => {
			if (legacyTables.length === 0) return { level: "ok", is: "none", shouldBe: "none" };
			return {
				level: "unknown",
				is: legacyTables.join(","),
				shouldBe: "none",
				remedy: "iptables-legacy -S FORWARD; iptables-legacy -t nat -S",
			};
		},
		fault: "rules that nft does not show may drop or translate",
		detail:
			"Rules of the old iptables (x_tables) are in the kernel beside nftables. This check does not read them: look at them for a drop in FORWARD and for KUBE- chains.",
	},
	...(["firewalld", "keepalived"] as const).map(
		(name): Setting => ({
			id: `conflict.${name}`,
			label: name,
			roles: name === "keepalived" ? ["vip", "l4"] : ["node", "l4"],
			judge: (facts) => {
				const program = running(facts, name);
				if (!program) return { level: "ok", is: "not running", shouldBe: "not running" };
				return {
					level: name === "keepalived" ? "should" : "note",
					is: `runs, ${program.pid}`,
					shouldBe: "not running",
					remedy:
						name === "keepalived"
							? "systemctl disable --now keepalived, when keepmesh vip has its configuration"
							: "firewall-cmd --zone=trusted --add-source=POD-RANGE",
				};
			},
			fault:
				name === "keepalived"
					? "two programs keep the same virtual IPs or servers"
					: "its zones may drop pods' connections",
			detail:
				name === "keepalived"
					? "Two VRRP routers of one machine with the same VRID fight; with different ones they live side by side."
					: "firewalld drops what no zone accepts. Its own table is not ours to change.",
		}),
	),
	{
		id: "conflict.vrrp-sockets",
		label: "VRRP sockets of others",
		roles: ["vip"],
		judge: ({ vrrpSockets }) => {
			const others = vrrpSockets.filter(({ name }) => !name.startsWith("keepmesh") && name !== "node");
			const [first] = others;
			if (!first) return { level: "ok", is: "none", shouldBe: "none" };
			return {
				level: "should",
				is: `${first.name}, ${first.pid}`,
				shouldBe: "none",
				remedy: `see what ${first.name} is configured for; other VRIDs do no harm`,
			};
		},
		fault: "another VRRP router runs on this machine",
		detail: "Found by raw sockets of IP protocol 112 in /proc/net/raw.",
	},
	{
		id: "conflict.ports",
		label: "ports",
		roles: ["control", "l4"],
		judge: ({ listening }, roles) => {
			const wanted = [...roles].flatMap((role) => portsOf[role]);
			if (wanted.length === 0) return undefined;
			const taken = listening.filter(
				({ protocol, port, holder }) => protocol === "tcp" && wanted.includes(port) && !isOurs(holder?.name),
			);
			return portsJudgement(wanted, taken);
		},
		fault: "a listener cannot start: the address is in use",
		detail:
			"15012 serves proxies, 15014 the API and metrics; 10249 and 10256 are kube-proxy's metrics and health, answered for whoever scrapes them. All can be moved.",
	},
];

const isOurs = (name: string | undefined): boolean => name?.startsWith("keepmesh") === true || name === "node";

function portsJudgement(wanted: readonly number[], taken: readonly ListeningPort[]): Judgement {
	const [first] = taken;
	if (!first) return { level: "ok", is: "free", shouldBe: `${wanted.join(", ")} free` };
	const ports = [...new Set(taken.map(({ port }) => port))].join(", ");
	const holder = first.holder ? `${first.holder.name}, process ${first.holder.pid}, has it` : "another process has it";
	return {
		level: "should",
		is: `${ports} taken`,
		shouldBe: "free",
		remedy: `${holder}; --xds, --api and their like take other ports`,
	};
}

// What the kernel can do, tried where a trial changes nothing, and the programs and the clock that Keepmesh relies on.

import { type HostFacts, type TrialName, trialNames } from "../host-facts.ts";
import type { Judgement, Setting } from "../setting.ts";

const whatTrialsNeed: Readonly<Record<TrialName, string>> = {
	maps: "maps with keys and data of several parts (5.6)",
	numgen: "numgen in a key of a map",
	jhash: "jhash in a key of a map",
	reject: "reject in prerouting (5.9)",
	"dynamic-set": "sets that packets fill, with a timeout",
	guard: "sets with ranges in a part of the key (5.6)",
};

const trialSetting = (name: TrialName): Setting => ({
	id: `nftables.${name}`,
	label: `nftables ${name}`,
	roles: ["l4"],
	judge: ({ trials }) => {
		const trial = trials.get(name);
		if (!trial) return undefined;
		return trial.ok
			? { level: "ok", is: "works", shouldBe: "works" }
			: { level: "must", is: "refused", shouldBe: "works", remedy: `the kernel says: ${trial.because}` };
	},
	fault: "layer 4 cannot load its rules on this kernel",
	detail: `Needed: ${whatTrialsNeed[name]}. Tried by a rule set that the kernel checks and does not keep (nft --check).`,
});

const isAtLeast = ({ kernel }: HostFacts, major: number, minor: number): boolean =>
	kernel.major > major || (kernel.major === major && kernel.minor >= minor);

const present = (path: string | undefined, level: "must" | "note", remedy: string): Judgement =>
	path === undefined
		? { level, is: "not there", shouldBe: "there", remedy }
		: { level: "ok", is: path, shouldBe: "there" };

export const kernelSettings: readonly Setting[] = [
	{
		id: "kernel.version",
		label: "kernel",
		roles: ["l4"],
		judge: (facts) => {
			const is = facts.kernel.release;
			if (isAtLeast(facts, 5, 13)) return { level: "ok", is, shouldBe: ">= 5.13" };
			return {
				level: "should",
				is,
				shouldBe: ">= 5.13",
				remedy: "a newer kernel; the lines on nftables say what works on this one",
			};
		},
		fault: "nftables of this kernel is too old to count on",
		detail: "kube-proxy's nftables mode asks for 5.13; what layer 4 uses of it came with 5.6 to 5.9.",
	},
	...trialNames.map(trialSetting),
	{
		id: "nftables.tried",
		label: "nftables",
		roles: ["l4"],
		judge: ({ trials }) =>
			trials.size > 0
				? undefined
				: {
						level: "unknown",
						is: "not tried",
						shouldBe: "works",
						remedy: "as root, with nft installed: keepmesh check --for l4",
					},
		fault: "whether this kernel takes the rules is not known",
		detail: "The trial runs nft --check as root. Running layer 4 needs no nft.",
	},
	{
		id: "kernel.ifa-proto",
		label: "addresses with a maker",
		roles: ["vip"],
		judge: (facts) => {
			const is = facts.kernel.release;
			return { level: isAtLeast(facts, 5, 18) ? "ok" : "note", is, shouldBe: ">= 5.18" };
		},
		fault: "after a crash our addresses are known by a file only",
		detail:
			"Since 5.18 an address carries the protocol that set it (IFA_PROTO), so a start finds what a crash left behind; before that a file in the state directory says so.",
	},
	{
		id: "kernel.network-namespaces",
		label: "network namespaces",
		roles: ["node"],
		judge: ({ hasNetworkNamespaces }) => ({
			level: hasNetworkNamespaces ? "ok" : "must",
			is: hasNetworkNamespaces ? "yes" : "no",
			shouldBe: "yes",
		}),
		fault: "no pods on this kernel",
		detail: "CONFIG_NET_NS. A node for the machine itself does without.",
	},
	{
		id: "program.envoy",
		label: "Envoy",
		roles: ["node"],
		judge: ({ programs }) =>
			present(programs.get("envoy"), "must", "./keepmesh version sets it up; or KEEPMESH_ENVOY=/path/to/envoy"),
		fault: "no proxy can be started",
		detail: "The path is that of KEEPMESH_ENVOY, else the one that the set-up unpacked.",
	},
	{
		id: "program.nft",
		label: "nft",
		roles: ["node", "l4"],
		judge: ({ programs }) => present(programs.get("nft"), "note", "apt-get install nftables"),
		fault: "rules cannot be looked at by hand",
		detail: "For people, for this check, and for the redirect of pods; layer 4 writes its rules without it.",
	},
	{
		id: "clock.synchronised",
		label: "clock",
		roles: ["control", "node"],
		judge: ({ clock }) => {
			if (clock === "synchronised") return { level: "ok", is: clock, shouldBe: "synchronised" };
			const remedy = "systemd-timesyncd or chrony; in a container ask its host";
			return { level: clock === "free" ? "should" : "unknown", is: clock, shouldBe: "synchronised", remedy };
		},
		fault: "certificates are refused as not yet valid or expired",
		detail:
			"Workloads' certificates live 24 hours. Whether the kernel's clock is steered is asked by adjtimex(2)'s answer in timedatectl, or by the mark of systemd-timesyncd.",
	},
];

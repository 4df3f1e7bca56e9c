// Which rules and chains of a pod Istio's init container wrote. In: the tables of one iptables-save. Out: per table Istio's own
// chains, and its rules in the chains of others with their places. Specification: tools/istio-iptables in istio/istio. A rule
// that could as well be a user's (RETURN for an excluded interface, DROP of invalid packets) is left out: without the redirect
// it means the same as with it.

import { optionOf, type RuleChain, type RuleTable, ruleWords } from "./rule-tables.ts";

/** A chain that is not Istio's, with all its rules at the time, so that a change by others is seen. */
export interface HookChain {
	readonly name: string;
	readonly rules: readonly string[];
	/** Indexes of Istio's rules, ascending. */
	readonly istio: readonly number[];
}

export interface RedirectTable {
	readonly name: string;
	readonly chains: readonly RuleChain[];
	readonly hooks: readonly HookChain[];
}

const istioChains: ReadonlySet<string> = new Set([
	"ISTIO_INBOUND",
	"ISTIO_IN_REDIRECT",
	"ISTIO_OUTPUT",
	"ISTIO_OUTPUT_DNS",
	"ISTIO_REDIRECT",
	"ISTIO_DIVERT",
	"ISTIO_TPROXY",
	"ISTIO_DROP",
]);

export const isIstioChain = (name: string): boolean => istioChains.has(name);

/** Tables without anything of Istio's are left out. */
export function findRedirect(tables: readonly RuleTable[]): readonly RedirectTable[] {
	const marks = new Set(tables.flatMap((table) => redirectMark([table]) ?? []));
	const isRedirected = tables.some(({ chains }) => chains.some(({ name }) => isIstioChain(name)));
	if (!isRedirected) return [];
	return tables.flatMap((table) => {
		const chains = table.chains.filter(({ name }) => isIstioChain(name));
		const hooks = table.chains.flatMap((chain) => {
			if (isIstioChain(chain.name)) return [];
			const istio = chain.rules.flatMap((rule, index) => (isIstioRule(table, chain, rule, marks) ? [index] : []));
			return istio.length > 0 ? [{ ...chain, istio }] : [];
		});
		return chains.length > 0 || hooks.length > 0 ? [{ name: table.name, chains, hooks }] : [];
	});
}

/** TPROXY mode's mark, as a number: what `ip rule` sends to the table with the local route. 1337 unless set otherwise. */
export function redirectMark(tables: readonly (RuleTable | RedirectTable)[]): number | undefined {
	const divert = tables
		.find(({ name }) => name === "mangle")
		?.chains.find(({ name }) => name === "ISTIO_DIVERT")
		?.rules.find((rule) => optionOf(rule, "-j") === "MARK");
	const mark = divert === undefined ? undefined : optionOf(divert, "--set-xmark", "--set-mark");
	return mark === undefined ? undefined : Number(mark.split("/")[0]);
}

function isIstioRule(table: RuleTable, chain: RuleChain, rule: string, marks: ReadonlySet<number>): boolean {
	const target = optionOf(rule, "-j", "-g");
	if (target === undefined) return false;
	if (isIstioChain(target)) return true;
	if (table.name === "mangle") return isMarkRule(chain.name, rule, target, marks);
	return isDnsRule(table, chain, rule, target);
}

/** The rules that TPROXY mode puts beside its chains. */
function isMarkRule(chain: string, rule: string, target: string, marks: ReadonlySet<number>): boolean {
	const words = ruleWords(rule);
	const matched = optionOf(rule, "--mark");
	const isMarked = matched !== undefined && marks.has(Number(matched.split("/")[0]));
	if (chain === "PREROUTING") return isMarked && target === "CONNMARK" && words.includes("--save-mark");
	if (chain !== "OUTPUT") return false;
	if (isMarked && target === "CONNMARK") return words.includes("--restore-mark");
	if (isMarked && target === "RETURN") return optionOf(rule, "-o") === "lo";
	// Envoy's own calls to the pod over loopback have the mark's successor.
	const set = target === "MARK" ? optionOf(rule, "--set-xmark", "--set-mark") : undefined;
	return set !== undefined && words.includes("owner") && marks.has(Number(set.split("/")[0]) - 1);
}

/** Versions before ISTIO_OUTPUT_DNS put the rules for DNS over UDP straight into the hooks. */
function isDnsRule(table: RuleTable, chain: RuleChain, rule: string, target: string): boolean {
	if (optionOf(rule, "-p") !== "udp") return false;
	const words = ruleWords(rule);
	const toAgent = (text: string): boolean =>
		optionOf(text, "-j") === "REDIRECT" && ["--to-ports", "--to-port"].some((name) => optionOf(text, name) === "15053");
	const isQuery = optionOf(rule, "--dport") === "53";
	if (table.name === "nat" && chain.name === "OUTPUT") {
		if (toAgent(rule)) return isQuery;
		return isQuery && target === "RETURN" && words.includes("owner") && chain.rules.some(toAgent);
	}
	if (table.name !== "raw" || target !== "CT") return false;
	const zone = optionOf(rule, "--zone");
	if (zone !== "1" && zone !== "2") return false;
	const isAnswer = optionOf(rule, "--sport") === (chain.name === "PREROUTING" ? "53" : "15053");
	return isAnswer || (chain.name === "OUTPUT" && isQuery);
}

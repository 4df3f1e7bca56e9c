// keepmesh bypass and keepmesh restore: an operator takes pods' connections off their sidecars, for a reason and a time, and gives
// them back. `bypass --list` shows where that is so. Pods of the nodes that this machine reaches, or of a cluster.

import { userInfo } from "node:os";
import { Command, Option } from "commander";
import type { PodStatus } from "../../node/node-agent.ts";
import type { PodOrder, PodsFlags } from "./bypass-on-kubernetes.ts";
import { durationMs } from "./certificate-flags.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { askNode, findNodes, type NodesOption, withNodesOption } from "./find-nodes.ts";
import { choosePods, podsOn, type SwitchedPod } from "./switched-pods.ts";
import { print, printJson, renderAge, renderTable, say } from "./terminal.ts";

interface Flags extends NodesOption, PodsFlags {
	readonly kubernetes?: boolean;
	readonly by: string;
	readonly output: "table" | "json";
}

interface BypassFlags extends Flags {
	readonly for?: number;
	readonly reason?: string;
	readonly list?: boolean;
}

export function bypassCommand(): Command {
	return withFlags(new Command("bypass"))
		.description(
			"Takes new connections off a pod's own proxy: to the node's spare, or past every proxy where plaintext is permitted.",
		)
		.addOption(new Option("--for <duration>", "ends by itself after so long: 10m").argParser(durationMs))
		.option("--reason <text>", "why; kept and shown")
		.option("--list", "only show which pods are bypassed; with --all also those that are not")
		.action(bypass);
}

export function restoreCommand(): Command {
	return withFlags(new Command("restore"))
		.description("Ends a bypass: the proxy gets connections again, at once when it has proved itself.")
		.action(restore);
}

function withFlags(command: Command): Command {
	return withNodesOption(command)
		.argument("[target]", "a pod (NAME or NAMESPACE/NAME), or a node with all of its pods")
		.option("--all", "all pods of all nodes that are found")
		.option("-n, --namespace <name>", "of the pod")
		.option("--kubernetes", "of a cluster, by annotations of the Pod (kubectl keepmesh does by itself)")
		.option("-l, --selector <labels>", "with --kubernetes: pods of the namespace that have these labels: app=web")
		.option("--kubeconfig <file>", "with --kubernetes: of the cluster (default: KUBECONFIG, else ~/.kube/config)")
		.option("--context <name>", "with --kubernetes: of the kubeconfig (default: its current one)")
		.option("--by <name>", "who asks for it", process.env.SUDO_USER ?? userInfo().username)
		.addOption(new Option("-o, --output <format>", "how to print").choices(["table", "json"]).default("table"));
}

async function bypass(target: string | undefined, flags: BypassFlags): Promise<void> {
	if (flags.list) return isOnKubernetes(flags) ? listOnKubernetes(flags) : list(flags);
	const why = flags.reason ?? "no reason given";
	if (isOnKubernetes(flags)) {
		const time = flags.for === undefined ? {} : { forMs: flags.for };
		return inCluster(target, flags, { verb: "bypass", by: flags.by, why, ...time });
	}
	const query = new URLSearchParams({ by: flags.by, why });
	if (flags.for !== undefined) query.set("forSeconds", String(flags.for / 1000));
	await order("bypass", target, flags, query);
}

async function restore(target: string | undefined, flags: Flags): Promise<void> {
	if (isOnKubernetes(flags)) return inCluster(target, flags, { verb: "restore" });
	await order("restore", target, flags, new URLSearchParams({ by: flags.by }));
}

async function order(
	verb: "bypass" | "restore",
	target: string | undefined,
	flags: Flags,
	query: URLSearchParams,
): Promise<void> {
	if ((target === undefined) === (flags.all !== true))
		throw new CliError(exitCodes.usage, "say which pods: POD, NODE or --all", `keepmesh ${verb} --help`);
	const nodes = await findNodes(flags);
	const { pods, isNamed } = choosePods(target, flags.namespace, await podsOn(nodes), nodes);
	const isMeant = verb === "bypass" || isNamed ? () => true : ({ pod }: SwitchedPod) => pod.bypass !== undefined;
	const results = await Promise.all(
		pods.filter(isMeant).map(async ({ node, pod }) => {
			const path = `/v1/pods/${encodeURIComponent(pod.uid)}/${verb}?${query}`;
			const { status, body } = await askNode<PodStatus>(node, "POST", path).catch((error: Error) => ({
				status: 0,
				body: { because: error.message },
			}));
			const isDone = status === 200;
			return { node, pod: isDone ? (body as PodStatus) : pod, isDone, because: isDone ? undefined : body.because };
		}),
	);
	tell(
		verb,
		flags,
		results.map(({ node, pod, ...rest }) => ({
			...rest,
			facts: { node: node.name, ...rest, ...factsOf(pod) },
			row: [`${pod.namespace}/${pod.name}`, node.name, pod.servingStep ?? "", untilOf(pod)],
		})),
	);
}

interface Told {
	readonly isDone: boolean;
	readonly because: string | undefined;
	readonly facts: object;
	readonly row: readonly string[];
}

/** Throws when not all is done. */
function tell(verb: "bypass" | "restore", flags: Flags, results: readonly Told[]): void {
	if (flags.output === "json") printJson(results.map(({ facts }) => facts));
	else if (results.length > 0)
		print(
			renderTable(
				["POD", "NODE", "SERVED BY", "UNTIL", ""],
				results.map(({ because, row }) => [...row, because ?? ""]),
			),
		);
	else say(verb === "restore" ? "No pod is bypassed." : "There is no pod with a hot-switch.");
	const failed = results.filter(({ isDone }) => !isDone);
	if (failed.length > 0)
		throw new CliError(
			exitCodes.failure,
			failed.length === results.length
				? `${verb}: nothing was changed`
				: `${verb}: ${failed.length} of ${results.length} were refused`,
			isOnKubernetes(flags) ? "kubectl keepmesh bypass --list --all" : "keepmesh bypass --list --all",
		);
}

const isOnKubernetes = ({ kubernetes, lab, name, state }: Flags): boolean =>
	kubernetes === true ||
	(process.env.KEEPMESH_CALLED_AS === "kubectl keepmesh" && [lab, name, state].every((one) => one === undefined));

async function inCluster(target: string | undefined, flags: Flags, order: PodOrder): Promise<void> {
	if ([target, flags.selector, flags.all || undefined].filter((one) => one !== undefined).length !== 1)
		throw new CliError(exitCodes.usage, "say which pods: POD, -l LABELS or --all", `keepmesh ${order.verb} --help`);
	const { orderOnKubernetes } = await import("./bypass-on-kubernetes.ts");
	const results = await orderOnKubernetes(target, flags, order);
	tell(
		order.verb,
		flags,
		results.map(({ because, isDone, pod }) => ({
			isDone,
			because,
			facts: { ...pod, isDone, because: because ?? pod.because },
			row: [`${pod.namespace}/${pod.name}`, pod.node, pod.servedBy, untilOf(pod)],
		})),
	);
}

async function listOnKubernetes(flags: Flags): Promise<void> {
	const { bypassesOnKubernetes } = await import("./bypass-on-kubernetes.ts");
	const pods = await bypassesOnKubernetes(flags);
	if (flags.output === "json") return printJson(pods);
	if (pods.length === 0) return say(flags.all ? "No pod has a hot-switch." : "No pod is bypassed.");
	print(
		renderTable(
			["POD", "NODE", "SERVED BY", "BYPASSED BY", "UNTIL", "REASON"],
			pods.map((pod) => [
				`${pod.namespace}/${pod.name}`,
				pod.node,
				pod.servedBy,
				pod.bypass?.by ?? "-",
				untilOf(pod),
				pod.bypass?.why ?? pod.because,
			]),
		),
	);
}

async function list(flags: BypassFlags): Promise<void> {
	const nodes = await findNodes(flags);
	const pods = (await podsOn(nodes)).filter(
		({ pod }) => pod.bypass !== undefined || (flags.all === true && pod.servingStep !== undefined),
	);
	if (flags.output === "json") return printJson(pods.map(({ node, pod }) => ({ node: node.name, ...factsOf(pod) })));
	if (pods.length === 0) return say(flags.all ? "No pod has a hot-switch." : "No pod is bypassed.");
	print(
		renderTable(
			["POD", "NODE", "SERVED BY", "BYPASSED BY", "SINCE", "UNTIL", "REASON"],
			pods.map(({ node, pod }) => [
				`${pod.namespace}/${pod.name}`,
				node.name,
				pod.servingStep ?? "",
				pod.bypass?.by ?? "-",
				pod.bypass ? renderAge(Date.now() - Date.parse(pod.bypass.since)) : "-",
				untilOf(pod),
				pod.bypass?.why ?? pod.servingBecause ?? "",
			]),
		),
	);
}

function factsOf({ uid, name, namespace, servingStep, servingSince, servingBecause, bypass: bypassed }: PodStatus) {
	return { uid, name, namespace, servingStep, servingSince, servingBecause, bypass: bypassed };
}

function untilOf({ bypass: bypassed }: { readonly bypass?: { readonly until?: string } }): string {
	if (!bypassed) return "-";
	return bypassed.until === undefined ? "restored" : `in ${renderAge(Date.parse(bypassed.until) - Date.now())}`;
}

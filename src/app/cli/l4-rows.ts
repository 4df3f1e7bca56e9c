// Tables of `keepmesh l4`: services and backends as kubectl would print them.

import type { Answer, Backend, Balancer } from "../../l4/balancer.ts";
import { renderFront } from "../../l4/services/render-balancers.ts";
import type { ServiceStatus } from "../../node/layer4/layer4-status.ts";
import { renderTable } from "./terminal.ts";

export interface RowOptions {
	readonly allNamespaces: boolean;
	readonly wide: boolean;
	readonly width?: number;
}

export function renderServices(services: readonly ServiceStatus[], options: RowOptions): string {
	const header = [
		...(options.allNamespaces ? ["NAMESPACE"] : []),
		"NAME",
		"ADDRESSES",
		"PORTS",
		"ENDPOINTS",
		"HERE",
		...(options.wide ? ["SCHEDULER", "AFFINITY", "EXTERNAL", "INTERNAL", "BACKEND"] : ["TRAITS"]),
	];
	const some = (all: readonly string[]): string => (options.wide ? all : firstOf(all)).join(",");
	const rows = services.map((status) => {
		const { service, backend } = status;
		const { affinity, externalPolicy, internalPolicy } = service;
		const scheduler = status.balancers[0]?.scheduler ?? "-";
		const wide = [scheduler, affinity ? `${affinity.timeoutSec}s` : "-", externalPolicy, internalPolicy, backend];
		return [
			...(options.allNamespaces ? [service.namespace] : []),
			service.name,
			some([...service.clusterAddresses, ...service.externalAddresses, ...service.loadBalancerAddresses]) || "-",
			some(service.ports.map(({ port, nodePort, protocol }) => `${port}${nodePort ? `:${nodePort}` : ""}/${protocol}`)),
			...countBackends(status),
			...(options.wide ? wide : [traitsOf(status)]),
		];
	});
	return renderTable(header, rows, options.width);
}

const shownEntries = 3;

/** The first few, and how many more there are. */
function firstOf(all: readonly string[]): readonly string[] {
	if (all.length <= shownEntries + 1) return all;
	return [...all.slice(0, shownEntries), `+${all.length - shownEntries}`];
}

/** What is not ordinary. */
function traitsOf({ service, backend, balancers }: ServiceStatus): string {
	const scheduler = balancers[0]?.scheduler ?? "random";
	const traits = [
		...(scheduler === "random" ? [] : [scheduler]),
		...(service.affinity ? ["ClientIP"] : []),
		...(service.externalPolicy === "Local" ? ["external Local"] : []),
		...(service.internalPolicy === "Local" ? ["internal Local"] : []),
		...(service.sourceRanges.length > 0 ? ["source ranges"] : []),
		...(backend === "ipvs" ? ["ipvs"] : []),
	];
	return traits.join(", ") || "-";
}

/** How many answer, and how many of them on this node. */
function countBackends({ service, balancers }: ServiceStatus): readonly [string, string] {
	const answering = new Map<string, Backend>();
	for (const { backend } of balancers.flatMap((balancer) => backendsOf(balancer))) {
		if (backend.weight > 0) answering.set(`${backend.address} ${backend.port}`, backend);
	}
	const known = new Set(
		service.ports.flatMap(({ endpoints }) => endpoints.map(({ address, port }) => `${address} ${port}`)),
	);
	const local = [...answering.values()].filter((backend) => backend.local).length;
	return [answering.size === known.size ? `${known.size}` : `${answering.size} of ${known.size}`, `${local}`];
}

export interface BackendRow {
	readonly balancer: Balancer;
	readonly side: "all" | "outside" | "inside";
	/** Absent: an answer without backends. */
	readonly backend?: Backend;
	/** Of new connections, in percent; absent where it depends on load or on who asks. */
	readonly sharePercent?: number;
	readonly answer: Answer["type"];
	readonly masquerade?: Extract<Answer, { type: "balance" }>["masquerade"];
}

export function backendRows(services: readonly ServiceStatus[]): readonly BackendRow[] {
	return services.flatMap(({ balancers }) => balancers.flatMap(rowsOf));
}

export function renderBackends(rows: readonly BackendRow[], options: RowOptions): string {
	const header = [
		"SERVICE",
		"FRONT",
		...(options.wide ? ["FOR", "SCHEDULER", "SOURCE", "BY"] : []),
		"BACKEND",
		"SHARE",
		"HERE",
	];
	const lines = rows.map((row) => {
		const { balancer, side, backend, answer, masquerade, sharePercent } = row;
		const owner = options.allNamespaces ? balancer.owner : balancer.owner.slice(balancer.owner.indexOf("/") + 1);
		const forWhom = side === "all" ? "everybody" : side === "inside" ? "node, pods" : "outside";
		const front = renderFront(balancer);
		return [
			owner,
			side === "all" || options.wide ? front : `${front} ${forWhom}`,
			...(options.wide ? [forWhom, balancer.scheduler, sourceText(masquerade), backend?.forwarding.method ?? "-"] : []),
			backend ? hostPort(backend) : answer === "drop" ? "none here: dropped" : "none: refused",
			sharePercent === undefined ? "-" : `${round(sharePercent)}%`,
			backend ? (backend.local ? "yes" : "no") : "-",
		];
	});
	return renderTable(header, lines, options.width);
}

function rowsOf(balancer: Balancer): readonly BackendRow[] {
	const { inside, outside } = balancer;
	if (!inside) return answerRows(balancer, "all", outside);
	return [...answerRows(balancer, "outside", outside), ...answerRows(balancer, "inside", inside)];
}

function answerRows(balancer: Balancer, side: BackendRow["side"], answer: Answer): readonly BackendRow[] {
	if (answer.type !== "balance") return [{ balancer, side, answer: answer.type }];
	const { backends, masquerade } = answer;
	return backends.map((backend) => {
		const sharePercent = shareOf(balancer, backends, backend);
		return {
			balancer,
			side,
			backend,
			answer: answer.type,
			masquerade,
			...(sharePercent === undefined ? {} : { sharePercent }),
		};
	});
}

/** Schedulers that give every new connection to a backend by its weight alone, or to all alike. */
const byWeight = new Set(["wrr", "maglev", "mh", "sh", "dh"]);
const alike = new Set(["random", "rr"]);

/** In percent of new connections of many clients; undefined where the scheduler looks at open connections. */
export function shareOf(balancer: Balancer, backends: readonly Backend[], backend: Backend): number | undefined {
	if (backend.weight === 0) return 0;
	const willing = backends.filter(({ weight }) => weight > 0);
	if (alike.has(balancer.scheduler) || willing.length === 1) return 100 / willing.length;
	if (!byWeight.has(balancer.scheduler)) return undefined;
	return (100 * backend.weight) / willing.reduce((sum, { weight }) => sum + weight, 0);
}

export function backendsOf(balancer: Balancer): readonly { readonly backend: Backend }[] {
	return [balancer.outside, ...(balancer.inside ? [balancer.inside] : [])].flatMap((answer) =>
		answer.type === "balance" ? answer.backends.map((backend) => ({ backend })) : [],
	);
}

export const hostPort = ({ address, port }: { readonly address: string; readonly port: number }): string =>
	address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;

export const round = (percent: number): string => (Number.isInteger(percent) ? `${percent}` : percent.toFixed(1));

function sourceText(masquerade: BackendRow["masquerade"]): string {
	switch (masquerade) {
		case undefined:
			return "-";
		case "never":
			return "client";
		case "always":
			return "node";
		case "fromOutsideCluster":
			return "node, pods keep theirs";
		default:
			return masquerade satisfies never;
	}
}

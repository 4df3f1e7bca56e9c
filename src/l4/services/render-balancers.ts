// Balancers -> the text that people read: one paragraph for each, in the order of the plan. What `keepmesh l4 plan` prints
// above the rules.

import type { Answer, Backend, Balancer, Front } from "../balancer.ts";

export function renderBalancers(balancers: Iterable<Balancer>): string {
	return [...balancers].map((balancer) => `${renderBalancer(balancer).join("\n")}\n`).join("");
}

/** Without line ends. */
export function renderBalancer(balancer: Balancer): readonly string[] {
	const { affinity, sourceRanges, inside, outside } = balancer;
	const traits = [
		balancer.scheduler,
		...(affinity === undefined ? [] : [`each client keeps its backend for ${affinity.timeoutSec} s`]),
		...(sourceRanges === undefined ? [] : [`only from ${sourceRanges.join(", ")}`]),
	];
	const head = `${balancer.owner} ${renderFront(balancer)}: ${traits.join(", ")}`;
	if (inside === undefined) return [head, ...renderAnswer("", outside)];
	return [head, ...renderAnswer("outside: ", outside), ...renderAnswer("inside: ", inside)];
}

/** `203.0.113.7:80/tcp (load balancer)`, `every node address, port 30080/tcp`. */
export function renderFront({ front, port, protocol }: Pick<Balancer, "front" | "port" | "protocol">): string {
	const where = `${port === 0 ? "*" : port}/${protocol}`;
	switch (front.type) {
		case "nodePort":
			return `node port ${where} (${front.family})`;
		case "mark":
			return `packets marked ${front.mark} (${front.family})`;
		default:
			return `${bracketed(front.address)}:${where} (${kinds[front.type]})`;
	}
}

const kinds: Readonly<Record<Exclude<Front["type"], "nodePort" | "mark">, string>> = {
	clusterIP: "cluster",
	externalIP: "external",
	loadBalancerIP: "load balancer",
	virtualServer: "virtual server",
};

function renderAnswer(who: string, answer: Answer): readonly string[] {
	switch (answer.type) {
		case "drop":
			return [`  ${who}dropped: endpoints only on other nodes`];
		case "reject":
			return [`  ${who}refused: no endpoint`];
		case "balance":
			return [
				`  ${who}${masquerades[answer.masquerade]}`,
				...answer.backends.map((backend) => `    ${renderBackend(backend)}`),
			];
		default:
			return answer satisfies never;
	}
}

const masquerades: Readonly<Record<Extract<Answer, { type: "balance" }>["masquerade"], string>> = {
	never: "client's source kept",
	always: "node's source",
	fromOutsideCluster: "node's source unless the client is a pod",
};

/** `10.244.1.5:8080 here`, with what is unusual of it. */
export function renderBackend(backend: Backend): string {
	const { forwarding, upperThreshold = 0, lowerThreshold = 0 } = backend;
	const how =
		forwarding.method === "TUN"
			? ` by ${forwarding.tunnel} tunnel${forwarding.port === undefined ? "" : ` to port ${forwarding.port}`}`
			: forwarding.method === "DR"
				? " by direct routing"
				: "";
	return [
		`${bracketed(backend.address)}:${backend.port}`,
		backend.local ? " here" : "",
		backend.weight === 1 ? "" : ` weight ${backend.weight}`,
		how,
		upperThreshold > 0 ? ` up to ${upperThreshold} connections, again below ${lowerThreshold}` : "",
	].join("");
}

function bracketed(address: string): string {
	return address.includes(":") ? `[${address}]` : address;
}

// The agent's local HTTP API, on a Unix socket that only root may open. In: JSON requests of whatever starts pods: the lab, a
// CNI plug-in, an operator with curl. Out: JSON; every refusal says what would be right.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { SwitchRecord } from "../hotswitch/switch-record.ts";
import type { NodeAgent } from "./node-agent.ts";
import { statusOf } from "./node-agent.ts";
import { type PodSpec, parsePodSpec } from "./plan/pod-spec.ts";
import { replaceByOrder } from "./replace-by-order.ts";
import { switchByHand } from "./switch-by-hand.ts";

interface Answer {
	readonly status: number;
	readonly body: unknown;
}

const maxBodyBytes = 1024 * 1024;
const defaultWaitSeconds = 60;
const defaultGraceSeconds = 30;

/** What the API tells of this node's certificates. */
export interface IdentityView {
	status(): object;
	/** Prometheus' text format. */
	metrics(): string;
	/** Why a pod has no certificate; undefined when it has one, or needs none. */
	whyNone(pod: PodSpec): string | undefined;
	/** Has a proxy's certificate, or all of them, renewed now; false when there is no such proxy. */
	renewNow(proxyId: string | undefined): boolean;
}

/** What the API tells of layer 4. */
export interface Layer4View {
	status(): object;
	/** Prometheus' text format. */
	metrics(): Promise<string>;
}

/** How old what a pod's proxy works with may be. */
export type ConfigOf = (pod: PodSpec) => object | undefined;

/** Requests wait for `started`: before that, the pods of an earlier agent are not known yet. */
export function createNodeApi(
	agent: NodeAgent,
	identity: IdentityView,
	started: Promise<void>,
	layer4?: Layer4View,
	configOf?: ConfigOf,
	/** Of its pods, oldest first. */
	switches: () => readonly SwitchRecord[] = () => [],
): Server {
	return createServer({ requestTimeout: 0 }, (request, response) => {
		started
			.then(() => layer4Answer(identity, layer4, request) ?? ownAnswer(identity, request, switches))
			.then((answer) => answer ?? route(agent, identity, request, configOf))
			.catch((error: unknown): Answer => ({ status: 500, body: { because: String(error) } }))
			.then((answer) => send(response, answer));
	});
}

function ownAnswer(
	identity: IdentityView,
	{ method, url }: IncomingMessage,
	switches: () => readonly SwitchRecord[],
): Answer | undefined {
	const { pathname, searchParams } = new URL(url ?? "/", "http://node");
	if (pathname === "/v1/identity/renew") {
		if (method !== "POST") return notAllowed(method ?? "", "POST");
		const proxyId = searchParams.get("proxy") ?? undefined;
		if (identity.renewNow(proxyId)) return { status: 202, body: { asked: proxyId ?? "all" } };
		return {
			status: 404,
			body: { because: `no proxy ${proxyId} has a certificate`, hint: "GET /v1/identity lists them" },
		};
	}
	if (method !== "GET") return undefined;
	if (pathname === "/v1/events") return { status: 200, body: { items: switches() } };
	if (url === "/v1/identity") return { status: 200, body: identity.status() };
	return url === "/metrics" ? { status: 200, body: identity.metrics() } : undefined;
}

function layer4Answer(
	identity: IdentityView,
	layer4: Layer4View | undefined,
	{ method, url }: IncomingMessage,
): Answer | Promise<Answer> | undefined {
	if (method !== "GET") return undefined;
	if (url === "/layer4")
		return layer4
			? { status: 200, body: layer4.status() }
			: { status: 404, body: { because: "this node does no layer 4", hint: "keepmesh node --layer4 nftables" } };
	if (url !== "/metrics" || !layer4) return undefined;
	return layer4.metrics().then((text): Answer => ({ status: 200, body: identity.metrics() + text }));
}

async function route(
	agent: NodeAgent,
	identity: IdentityView,
	request: IncomingMessage,
	configOf: ConfigOf = () => undefined,
): Promise<Answer> {
	const url = new URL(request.url ?? "/", "http://node");
	const [version, collection, uid, verb, ...rest] = url.pathname.split("/").slice(1).map(decodeURIComponent);
	const method = request.method ?? "GET";
	if (version !== "v1" || collection !== "pods" || rest.length > 0)
		return {
			status: 404,
			body: {
				because: `no such path: ${url.pathname}`,
				hint: "try GET /v1/pods, /v1/events, /v1/identity or /metrics",
			},
		};
	if (uid === undefined || uid === "") {
		if (method === "GET") {
			const pods = agent.pods().map((status) => {
				const pod = agent.supervisorOf(status.uid)?.pod;
				return { ...status, config: pod && configOf(pod) };
			});
			return { status: 200, body: { pods } };
		}
		if (method === "POST") return addPod(agent, identity, request, url.searchParams);
		return notAllowed(method, "GET, POST");
	}
	if (verb === "drain" && method === "POST") return drainPod(agent, uid);
	if ((verb === "bypass" || verb === "restore") && method === "POST") {
		const supervisor = agent.supervisorOf(uid);
		if (!supervisor) return unknownPod(uid);
		const done = switchByHand(supervisor, verb, url.searchParams);
		return done.ok ? { status: 200, body: statusOf(supervisor) } : done;
	}
	if (verb === "replace-proxy" && method === "POST") {
		const supervisor = agent.supervisorOf(uid);
		return supervisor ? replaceByOrder(supervisor, url.searchParams) : unknownPod(uid);
	}
	if (verb !== undefined) return { status: 404, body: { because: `no such path: ${url.pathname}` } };
	if (method === "GET") {
		const supervisor = agent.supervisorOf(uid);
		if (!supervisor) return unknownPod(uid);
		return { status: 200, body: { ...statusOf(supervisor), config: configOf(supervisor.pod) } };
	}
	if (method === "DELETE") {
		const graceSeconds = secondsOf(url.searchParams, "graceSeconds", defaultGraceSeconds);
		if (graceSeconds === undefined) return badSeconds("graceSeconds");
		const { existed } = await agent.remove(uid, graceSeconds * 1000);
		return { status: 200, body: { uid, existed } };
	}
	return notAllowed(method, "GET, DELETE");
}

async function addPod(
	agent: NodeAgent,
	identity: IdentityView,
	request: IncomingMessage,
	query: URLSearchParams,
): Promise<Answer> {
	const waitSeconds = secondsOf(query, "timeoutSeconds", defaultWaitSeconds);
	if (waitSeconds === undefined) return badSeconds("timeoutSeconds");
	const body = await readJson(request);
	if (!body.ok) return { status: 400, body: { because: body.because, hint: "send one pod as a JSON object" } };
	const parsed = parsePodSpec(body.value);
	if (!parsed.ok) return { status: 400, body: { because: "the pod is not valid", problems: parsed.problems } };
	const outcome = await agent.add(parsed.pod);
	if (!outcome.ok)
		return {
			status: outcome.because === "differs" ? 409 : 400,
			body: { because: outcome.problems[0]?.message, problems: outcome.problems },
		};
	const { supervisor } = outcome;
	if (query.get("wait") === "false") return { status: 202, body: statusOf(supervisor) };
	const settled = supervisor.when((state) => ["ready", "failed", "stopped"].includes(state.phase));
	const waited = AbortSignal.timeout(waitSeconds * 1000);
	const timeUp = new Promise<void>((resolve) => waited.addEventListener("abort", () => resolve(), { once: true }));
	await Promise.race([settled, timeUp]);
	const status = statusOf(supervisor);
	if (status.ready) return { status: outcome.added ? 201 : 200, body: status };
	if (status.phase === "failed" || status.phase === "stopped") return { status: 500, body: status };
	const lack = identity.whyNone(parsed.pod);
	const because = lack === undefined ? {} : { because: `it has no certificate: ${lack}` };
	return { status: 504, body: { ...status, ...because, hint: `see ${status.log}; is a control plane reachable?` } };
}

async function drainPod(agent: NodeAgent, uid: string): Promise<Answer> {
	const supervisor = agent.supervisorOf(uid);
	if (!supervisor) return unknownPod(uid);
	supervisor.drain();
	return { status: 202, body: statusOf(supervisor) };
}

/** Undefined when it is given and no number of seconds. */
function secondsOf(query: URLSearchParams, name: string, fallback: number): number | undefined {
	const text = query.get(name);
	if (text === null) return fallback;
	const value = Number(text);
	return text !== "" && Number.isFinite(value) && value >= 0 && value <= 86_400 ? value : undefined;
}

type ReadJson = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly because: string };

async function readJson(request: IncomingMessage): Promise<ReadJson> {
	const chunks: Buffer[] = [];
	let bytes = 0;
	for await (const chunk of request) {
		bytes += (chunk as Buffer).length;
		if (bytes > maxBodyBytes) return { ok: false, because: `the body is longer than ${maxBodyBytes} bytes` };
		chunks.push(chunk as Buffer);
	}
	try {
		return { ok: true, value: JSON.parse(Buffer.concat(chunks).toString("utf8")) };
	} catch (error) {
		return { ok: false, because: `the body is not JSON: ${error instanceof Error ? error.message : String(error)}` };
	}
}

function send(response: ServerResponse, answer: Answer): void {
	const isText = typeof answer.body === "string";
	const text = isText ? (answer.body as string) : `${JSON.stringify(answer.body)}\n`;
	const type = isText ? "text/plain; version=0.0.4" : "application/json";
	response.writeHead(answer.status, { "content-type": type, "content-length": Buffer.byteLength(text) });
	response.end(text);
}

function unknownPod(uid: string): Answer {
	return { status: 404, body: { because: `no pod with uid ${uid}`, hint: "GET /v1/pods lists them" } };
}

function badSeconds(name: string): Answer {
	return { status: 400, body: { because: `${name} is not a number of seconds`, hint: `${name}=30` } };
}

function notAllowed(method: string, allowed: string): Answer {
	return { status: 405, body: { because: `${method} is not possible here`, hint: `use ${allowed}` } };
}

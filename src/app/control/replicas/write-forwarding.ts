// Writes that reach a control plane which does not lead: carried to the leader, or made to wait for one. In: the API's routes.
// Out: the same routes, of which those that change resources are done by the leader, wherever they were asked for.

import { type ReplicaWrite, type ReplicaWriteAnswer, replicaPaths } from "../../../replicas/replica-message.ts";
import type { ObjectKey } from "../../../resources/config-object.ts";
import type { Clock } from "../../../runtime/clock.ts";
import { type ApiAnswer, ApiError, type ApiRequest, type ApiRoute } from "../../api/api-server.ts";
import type { AppliedItem } from "../../api/api-types.ts";
import type { ReplicaGroup } from "./replica-group.ts";

/** A write waits so long for a leader. */
const patienceMs = 5_000;
const callTimeoutMs = 10_000;
const lookAgainMs = 50;
/** How long the answer to a write waits for the other replicas to have it. */
const settleMs = 1_000;

const isForLeader = ({ method, path }: ApiRoute): boolean =>
	(method === "PUT" || method === "DELETE") && path.startsWith("/api/v1/resources");

export interface ForwardedWrites {
	readonly routes: readonly ApiRoute[];
	/** Does what another replica was asked for, if this one leads. */
	readonly carryOut: (write: ReplicaWrite) => Promise<ReplicaWriteAnswer>;
	/** Does it here or at the leader. */
	readonly write: (write: ReplicaWrite) => Promise<ReplicaWriteAnswer>;
}

export interface ForwardingParts {
	readonly clock: Clock;
	/** A change of the resource has been read, and is not in force yet. */
	readonly isPending: (key: ObjectKey) => boolean;
	/** There is such a resource in the files. A file that is gone counts as gone a moment later. */
	readonly exists: (key: ObjectKey) => boolean;
}

export function forwardWrites(
	routes: readonly ApiRoute[],
	group: ReplicaGroup,
	{ clock, exists, isPending }: ForwardingParts,
): ForwardedWrites {
	const pause = (ms: number): Promise<void> => new Promise((resolve) => clock.after(ms, resolve));

	/** Changes that came close together are brought into force together. */
	async function inForce(items: readonly AppliedItem[]): Promise<void> {
		const endMs = clock.monotonicMs() + settleMs;
		const isOpen = ({ kind, name, namespace, outcome }: AppliedItem): boolean => {
			const key = `${kind}/${namespace}/${name}`;
			return isPending(key) || (outcome === "deleted" && exists(key));
		};
		while (items.some(isOpen) && clock.monotonicMs() < endMs) await pause(5);
	}

	const forLeader = routes.filter(isForLeader);

	async function carryOut(write: ReplicaWrite): Promise<ReplicaWriteAnswer> {
		const route = forLeader.find(({ method, path }) => method === write.method && path === write.route);
		if (!route) return { type: "failed", status: 404, error: `there is no ${write.route}`, next: "" };
		if (!group.isLeader) return { type: "notLeader" };
		try {
			const query = new URLSearchParams(write.query);
			const answer = await route.answer({ query, path: write.path, body: async () => write.body });
			const json = "json" in answer ? answer.json : answer.text;
			if (write.query.includes("dryRun=true")) return { type: "answered", status: answer.status ?? 200, json };
			await inForce(changedBy(json));
			await group.settled(settleMs);
			return { type: "answered", status: answer.status ?? 200, json };
		} catch (error) {
			if (error instanceof ApiError)
				return { type: "failed", status: error.status, error: error.message, next: error.next };
			throw error;
		}
	}

	async function write(wanted: ReplicaWrite): Promise<ReplicaWriteAnswer> {
		const endMs = clock.monotonicMs() + patienceMs;
		let because = "no control plane leads";
		for (;;) {
			const done = await tryOnce(wanted).catch((error: unknown) => {
				because = error instanceof Error ? error.message : String(error);
				// It may have been done: a deletion is not done twice, and nobody should be told that it was not there.
				if (wanted.method === "DELETE") throw unavailable(because);
				return undefined;
			});
			if (done && done.type !== "notLeader") return done;
			if (clock.monotonicMs() >= endMs) throw unavailable(because);
			await group.changed(lookAgainMs);
		}
	}

	async function tryOnce(wanted: ReplicaWrite): Promise<ReplicaWriteAnswer> {
		if (group.isLeader) return carryOut(wanted);
		const peer = group.leader === undefined ? undefined : group.peerOf(group.leader);
		return peer ? peer.call<ReplicaWriteAnswer>(replicaPaths.write, wanted, callTimeoutMs) : { type: "notLeader" };
	}

	const forwarded = (route: ApiRoute): ApiRoute => ({
		...route,
		answer: async ({ query, path, body }: ApiRequest): Promise<ApiAnswer> => {
			const { method } = route;
			const wanted = { method: method as ReplicaWrite["method"], route: route.path, path, query: query.toString() };
			return answerOf(await write({ ...wanted, body: method === "PUT" ? await body() : "" }));
		},
	});
	return { routes: routes.map((route) => (isForLeader(route) ? forwarded(route) : route)), carryOut, write };
}

/** The resources that an answer of the API names. */
function changedBy(json: unknown): readonly AppliedItem[] {
	const { item, items } = json as { readonly item?: AppliedItem; readonly items?: readonly AppliedItem[] };
	return [...(item ? [item] : []), ...(items ?? [])];
}

/** Edited files as an operator's requests. */
export function editsAsWrites(texts: ReadonlyMap<ObjectKey, string | undefined>): readonly ReplicaWrite[] {
	const common = { query: "", path: {} };
	return [...texts].map(([key, body]): ReplicaWrite => {
		if (body !== undefined) return { ...common, method: "PUT", route: "/api/v1/resources", body };
		const [kind = "", namespace = "", name = ""] = key.split("/");
		const path = { kind, namespace: namespace === "" ? "-" : namespace, name };
		return { ...common, method: "DELETE", route: "/api/v1/resources/{kind}/{namespace}/{name}", path, body: "" };
	});
}

function answerOf(answer: ReplicaWriteAnswer): ApiAnswer {
	if (answer.type === "answered") return { status: answer.status, json: answer.json };
	if (answer.type === "failed") throw new ApiError(answer.status, answer.error, answer.next);
	throw unavailable("no control plane leads");
}

function unavailable(because: string): ApiError {
	return new ApiError(503, `the change was not confirmed: ${because}`, "keepmesh status");
}

// An API server in memory, as a KubernetesClient: objects with versions, lists by pages, watches with bookmarks, patches; and the ways
// in which real ones fail, by hand. For unit tests; what it does was compared with a real server's answers.

import { applyJsonPatch } from "../../inject/json-patch.testing.ts";
import type { RawObject } from "./api-object.ts";
import {
	type ApiAnswer,
	type ApiMethod,
	type KubernetesClient,
	type OpenAnswer,
	type OpenOptions,
	type RequestOptions,
	TransportError,
} from "./kubernetes-client.ts";
import { type ApiResource, apiVersionOf, pathOf } from "./resource-path.ts";

interface Event {
	readonly type: "ADDED" | "MODIFIED" | "DELETED";
	readonly object: RawObject;
}

interface OpenWatch {
	readonly path: string;
	readonly selects: (object: RawObject) => boolean;
	readonly push: (line: object) => void;
	readonly end: (error?: Error) => void;
}

type Draft = {
	readonly metadata: { readonly name: string; readonly namespace?: string; readonly [field: string]: unknown };
};

export class FakeApi implements KubernetesClient {
	readonly server = "fake://api";
	readonly namespace = "default";
	/** Asked, in order: `GET /api/v1/services?watch=true`. */
	readonly asked: string[] = [];
	/** False: as a server before streaming lists. */
	canStream = true;
	/** Set: no request is answered. */
	isDown = false;
	/** Answers of this status come instead, for paths that begin so. */
	readonly refusals = new Map<string, number>();
	readonly #objects = new Map<string, RawObject>();
	readonly #watches = new Set<OpenWatch>();
	#history: { readonly version: number; readonly path: string; readonly event: Event }[] = [];
	#version = 100;
	/** Watches from before this are answered with 410. */
	#compacted = 0;

	/** Creates or replaces; every field but the version is as given. */
	put(resource: ApiResource, draft: Draft & Readonly<Record<string, unknown>>): RawObject {
		const { name, namespace } = draft.metadata;
		const path = pathOf(resource, namespace, name);
		const before = this.#objects.get(path);
		this.#version += 1;
		const object = {
			apiVersion: apiVersionOf(resource),
			kind: resource.kind,
			...draft,
			metadata: {
				uid: before?.metadata.uid ?? `uid-${this.#version}`,
				...draft.metadata,
				resourceVersion: String(this.#version),
			},
		} as RawObject;
		this.#objects.set(path, object);
		this.#tell(path, { type: before ? "MODIFIED" : "ADDED", object });
		return object;
	}

	remove(resource: ApiResource, namespace: string | undefined, name: string): void {
		const path = pathOf(resource, namespace, name);
		const before = this.#objects.get(path);
		if (!before) return;
		this.#version += 1;
		this.#objects.delete(path);
		const metadata = { ...before.metadata, resourceVersion: String(this.#version) };
		this.#tell(path, { type: "DELETED", object: { ...before, metadata } });
	}

	get(resource: ApiResource, namespace: string | undefined, name: string): RawObject | undefined {
		return this.#objects.get(pathOf(resource, namespace, name));
	}

	get openWatches(): number {
		return this.#watches.size;
	}

	/** Breaks all connections. */
	breakWatches(): void {
		for (const watch of [...this.#watches]) watch.end(new TransportError("connection reset"));
	}

	/** The server ends all watches in good order, as it does every few minutes. */
	endWatches(): void {
		for (const watch of [...this.#watches]) watch.end();
	}

	/** Forgets what happened until now: watches that go on from an earlier version are refused. */
	compact(): void {
		this.#compacted = this.#version;
		this.#history = [];
	}

	sendBookmarks(): void {
		for (const watch of this.#watches) watch.push(this.#bookmark(false));
	}

	async request(method: ApiMethod, path: string, { body, query, signal }: RequestOptions = {}): Promise<ApiAnswer> {
		const search = new URLSearchParams(definedOf(query)).toString();
		this.asked.push(`${method} ${path}${search === "" ? "" : `?${search}`}`);
		await Promise.resolve();
		if (this.isDown || signal?.aborted) throw new TransportError(`${method} ${path}: connection refused`);
		const refused = this.#refusal(path);
		if (refused !== undefined) return refused;
		const object = this.#objects.get(path);
		switch (method) {
			case "GET":
				if (object) return { status: 200, body: object };
				return this.#isCollection(path) ? this.#list(path, query ?? {}) : failure(404, "NotFound");
			case "POST": {
				const draft = body as RawObject;
				const place = `${path}/${draft.metadata.name}`;
				if (this.#objects.has(place)) return failure(409, "AlreadyExists");
				return { status: 201, body: this.#store(place, draft) };
			}
			case "PUT": {
				const draft = body as RawObject;
				const { resourceVersion } = draft.metadata;
				if (!object) return failure(404, "NotFound");
				if (resourceVersion && resourceVersion !== object.metadata.resourceVersion) return failure(409, "Conflict");
				return { status: 200, body: this.#store(path, draft) };
			}
			case "PATCH": {
				const target = path.replace(/\/status$/, "");
				const before = this.#objects.get(target);
				if (!before) return failure(404, "NotFound");
				const after = Array.isArray(body) ? applyJsonPatch(before, body) : merge(before, body);
				return { status: 200, body: this.#store(target, after as RawObject) };
			}
			case "DELETE": {
				if (!object) return failure(404, "NotFound");
				this.#objects.delete(path);
				this.#version += 1;
				this.#tell(path, { type: "DELETED", object });
				return { status: 200, body: object };
			}
			default:
				return method satisfies never;
		}
	}

	async open(path: string, { query = {}, signal }: OpenOptions = {}): Promise<OpenAnswer> {
		this.asked.push(`GET ${path}?${new URLSearchParams(definedOf(query))}`);
		await Promise.resolve();
		if (this.isDown) throw new TransportError(`GET ${path}: connection refused`);
		const refused = this.#refusal(path);
		if (refused) return answerOf(refused);
		if (query.sendInitialEvents && !this.canStream) return answerOf(failure(422, "Invalid"));
		const lines = new LineQueue();
		const watch: OpenWatch = {
			path,
			selects: selectorOf(query),
			push: (line) => lines.push(JSON.stringify(line)),
			end: (error) => {
				this.#watches.delete(watch);
				lines.end(error);
			},
		};
		const from = Number(query.resourceVersion ?? 0);
		if (query.sendInitialEvents) {
			for (const [place, object] of this.#objects)
				if (isIn(place, path) && watch.selects(object)) watch.push({ type: "ADDED", object });
			watch.push(this.#bookmark(true));
		} else if (from < this.#compacted) {
			watch.push({ type: "ERROR", object: { kind: "Status", code: 410, reason: "Expired", message: "too old" } });
			lines.end();
			return { status: 200, lines, body: async () => undefined, close: () => {} };
		} else {
			for (const { event, path: place, version } of this.#history)
				if (version > from && isIn(place, path) && watch.selects(event.object)) watch.push(event);
		}
		this.#watches.add(watch);
		signal?.addEventListener("abort", () => watch.end(new TransportError("aborted")));
		return { status: 200, lines, body: async () => undefined, close: () => watch.end() };
	}

	close(): void {
		this.breakWatches();
	}

	#store(path: string, draft: RawObject): RawObject {
		const before = this.#objects.get(path);
		this.#version += 1;
		const uid = before?.metadata.uid ?? `uid-${this.#version}`;
		const object = { ...draft, metadata: { ...draft.metadata, uid, resourceVersion: String(this.#version) } };
		this.#objects.set(path, object);
		this.#tell(path, { type: before ? "MODIFIED" : "ADDED", object });
		return object;
	}

	#tell(path: string, event: Event): void {
		this.#history.push({ version: this.#version, path, event });
		for (const watch of this.#watches) if (isIn(path, watch.path) && watch.selects(event.object)) watch.push(event);
	}

	#bookmark(endsInitial: boolean): object {
		const annotations = endsInitial ? { annotations: { "k8s.io/initial-events-end": "true" } } : {};
		return { type: "BOOKMARK", object: { metadata: { resourceVersion: String(this.#version), ...annotations } } };
	}

	#isCollection(path: string): boolean {
		return /^\/(?:api\/v1|apis\/[^/]+\/[^/]+)(?:\/namespaces\/[^/]+)?\/[a-z]+$/.test(path);
	}

	#list(path: string, query: RequestOptions["query"] & object): ApiAnswer {
		const selects = selectorOf(query);
		const all = [...this.#objects]
			.filter(([place, object]) => isIn(place, path) && selects(object))
			.map(([, object]) => object);
		const from = Number(query.continue ?? 0);
		const limit = Number(query.limit ?? all.length);
		const items = all.slice(from, from + limit).map(({ apiVersion: _a, kind: _k, ...rest }) => rest);
		const next = from + limit < all.length ? { continue: String(from + limit) } : {};
		return {
			status: 200,
			body: { kind: "List", metadata: { resourceVersion: String(this.#version), ...next }, items },
		};
	}

	#refusal(path: string): ApiAnswer | undefined {
		for (const [prefix, status] of this.refusals)
			if (path.startsWith(prefix)) return failure(status, `Refused${status}`);
		return undefined;
	}
}

class LineQueue implements AsyncIterable<string> {
	readonly #lines: string[] = [];
	#wake: (() => void) | undefined;
	#end: { readonly error: Error | undefined } | undefined;

	push(line: string): void {
		if (this.#end) return;
		this.#lines.push(line);
		this.#wake?.();
	}

	end(error?: Error): void {
		this.#end ??= { error };
		this.#wake?.();
	}

	async *[Symbol.asyncIterator](): AsyncGenerator<string> {
		for (;;) {
			const line = this.#lines.shift();
			if (line !== undefined) yield line;
			else if (this.#end?.error) throw this.#end.error;
			else if (this.#end) return;
			else
				await new Promise<void>((resolve) => {
					this.#wake = resolve;
				});
		}
	}
}

/** An object of all namespaces, or of one, belongs to the collection's path. */
function isIn(place: string, collection: string): boolean {
	const own = place.slice(0, place.lastIndexOf("/"));
	return own === collection || own.replace(/\/namespaces\/[^/]+\//, "/") === collection;
}

/** `a.b=c,d=e` on fields, and on labels. An object that ceases to be selected is not told as deleted, as a real server does. */
function selectorOf({
	fieldSelector,
	labelSelector,
}: RequestOptions["query"] & object): (object: RawObject) => boolean {
	const pairs = (text: unknown): readonly (readonly string[])[] =>
		typeof text === "string" && text !== "" ? text.split(",").map((pair) => pair.split(/==?/)) : [];
	const [fields, labels] = [pairs(fieldSelector), pairs(labelSelector)];
	return (object) =>
		fields.every(([path = "", value]) => fieldOf(object, path) === value) &&
		labels.every(([name = "", value]) => object.metadata.labels?.[name] === value);
}

function fieldOf(object: unknown, path: string): unknown {
	return path
		.split(".")
		.reduce<unknown>(
			(at, name) => (typeof at === "object" && at !== null ? (at as Record<string, unknown>)[name] : undefined),
			object,
		);
}

function failure(code: number, reason: string): ApiAnswer {
	return { status: code, body: { kind: "Status", code, reason, message: reason } };
}

function answerOf({ body, status }: ApiAnswer): OpenAnswer {
	const lines = new LineQueue();
	lines.end();
	return { status, lines, body: async () => body, close: () => {} };
}

function definedOf(query: RequestOptions["query"] = {}): Record<string, string> {
	return Object.fromEntries(
		Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
	);
}

function merge(before: unknown, patch: unknown): unknown {
	if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
	const merged: Record<string, unknown> = typeof before === "object" && before !== null ? { ...before } : {};
	for (const [name, value] of Object.entries(patch)) {
		if (value === null) delete merged[name];
		else merged[name] = merge(merged[name], value);
	}
	return merged;
}

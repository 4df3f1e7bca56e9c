// Objects of the mesh on a real API server, for tests: the kinds installed by `keepmesh crds`, objects made, changed and read.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { ApiAnswer, ApiMethod } from "../../cluster/api-client.ts";
import { checkout, nodeProgram } from "../../cluster/cluster-paths.ts";
import { pluralOf } from "../../src/app/cli/kind-names.ts";
import type { Kind } from "../../src/resources/config-object.ts";
import { type TestCluster, until } from "./test-cluster.ts";

export interface TestObject {
	readonly apiVersion: string;
	readonly kind: string;
	readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
	readonly spec: object;
}

export function virtualService(name: string, spec: object): TestObject {
	return { apiVersion: "networking.istio.io/v1", kind: "VirtualService", metadata: { name }, spec };
}

export function keepmeshObject(kind: string, name: string, spec: object): TestObject {
	return { apiVersion: "keepmesh.io/v1alpha1", kind, metadata: { name }, spec };
}

/** The spec of a VirtualService with one route. `hosts`: default `host` itself. */
export function routeTo(host: string, more: object = {}, hosts = host): object {
	return { hosts: [hosts], http: [{ route: [{ destination: { host } }], ...more }] };
}

const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

interface Definition {
	readonly metadata: { readonly name: string };
	readonly spec: {
		readonly group: string;
		readonly names: { readonly plural: string };
		readonly versions: readonly { readonly name: string }[];
	};
}

export class MeshObjects {
	readonly #cluster: TestCluster;
	/** Definitions that were not there before. */
	#own: readonly string[] = [];

	constructor(cluster: TestCluster) {
		this.#cluster = cluster;
	}

	async installKinds(): Promise<void> {
		const program = join(checkout, "bin/keepmesh.ts");
		const text = execFileSync(nodeProgram, ["--no-warnings", program, "crds", "--istio", "-o", "json"], {
			encoding: "utf8",
			maxBuffer: 64 * 1024 * 1024,
		});
		const kinds = (JSON.parse(text) as { items: readonly Definition[] }).items;
		const before = (await this.ask("GET", definitions)).body as { items: readonly Definition[] };
		const there = new Set(before.items.map(({ metadata }) => metadata.name));
		this.#own = kinds.map(({ metadata }) => metadata.name).filter((name) => !there.has(name));
		const apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
		const { code, stderr } = await this.#cluster.tryKubectl(apply, text);
		assert.equal(code, 0, stderr);
		for (const { spec } of kinds)
			for (const version of spec.versions)
				await until(`${spec.names.plural} are served`, async () => {
					const list = `/apis/${spec.group}/${version.name}/${spec.names.plural}?limit=1`;
					return (await this.ask("GET", list)).status === 200;
				});
	}

	/** With all objects of them; those that were there before stay. */
	async removeKinds(): Promise<void> {
		for (const name of this.#own) await this.ask("DELETE", `${definitions}/${name}`);
	}

	ask(method: ApiMethod, path: string, body?: object): Promise<ApiAnswer> {
		return this.#cluster.api.request(method, path, body, 30_000);
	}

	/** Why the API server does not take it; empty when it would. Nothing is changed. */
	async refusalOf(object: TestObject): Promise<string> {
		const { body, status } = await this.ask("POST", `${this.#path(object)}?dryRun=All&fieldValidation=Strict`, object);
		return status < 300 ? "" : (body as { message: string }).message;
	}

	/** Makes it, or merges it into what is there. */
	async put(object: TestObject): Promise<unknown> {
		const made = await this.ask("POST", this.#path(object), object);
		return made.status === 409 ? this.change(object) : good(made);
	}

	/** Merges it into what is there. */
	async change(object: TestObject): Promise<unknown> {
		return good(await this.ask("PATCH", this.#pathTo(object), object));
	}

	/** It is this, whatever it was. */
	async replace(object: TestObject): Promise<unknown> {
		for (let left = 10; ; left--) {
			const { metadata } = (await this.read(object)) as { metadata: { resourceVersion: string } };
			const { resourceVersion } = metadata;
			const now = { ...object, metadata: { ...object.metadata, resourceVersion } };
			const answer = await this.ask("PUT", this.#pathTo(object), now);
			// A status was written meanwhile.
			if (answer.status !== 409 || left === 0) return good(answer);
		}
	}

	async read(object: TestObject): Promise<unknown> {
		return good(await this.ask("GET", this.#pathTo(object)));
	}

	/** All of its kind. */
	async list(object: TestObject): Promise<readonly { readonly status?: unknown }[]> {
		return (good(await this.ask("GET", this.#path(object))) as { items: readonly object[] }).items;
	}

	#pathTo(object: TestObject): string {
		return `${this.#path(object)}/${object.metadata.name}`;
	}

	#path({ apiVersion, kind }: TestObject): string {
		const base = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
		const place = kind === "VirtualIPPool" ? "" : `/namespaces/${this.#cluster.namespace}`;
		return `${base}${place}/${pluralOf(kind as Kind)}`;
	}
}

function good({ body, status }: ApiAnswer): unknown {
	assert.ok(status < 300, JSON.stringify(body));
	return body;
}

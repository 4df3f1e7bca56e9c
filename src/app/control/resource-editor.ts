// Changes resources on behalf of an operator: checks the text by the rules of every reader, writes files, and has them read.

import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { type AnyObject, keyOf, type ObjectKey } from "../../resources/config-object.ts";
import type { Problem } from "../../resources/problem.ts";
import { readResourceFile } from "../../resources/read-resources.ts";
import {
	removeResource,
	resourceTexts,
	type WriteOutcome,
	writeResource,
} from "../../sources/files/resource-writer.ts";
import type { ResourceSource } from "../../sources/resource-source.ts";
import type { AppliedItem, ApplyAnswer } from "../api/api-types.ts";

export type EditFailure = { readonly ok: false; readonly message: string; readonly next: string };

export class ResourceEditor {
	readonly #directory: string | undefined;
	readonly #source: ResourceSource;
	#queue: Promise<unknown> = Promise.resolve();

	constructor(roots: readonly string[], source: ResourceSource) {
		this.#directory = roots
			.map((root) => resolve(root))
			.find((root) => existsSync(root) && statSync(root).isDirectory());
		this.#source = source;
	}

	/** All or nothing as far as checking goes: one error, and no file is touched. */
	apply(text: string, namespace: string, dryRun: boolean): Promise<ApplyAnswer | EditFailure> {
		return this.#oneAtATime(() => this.#apply(text, namespace, dryRun));
	}

	/** Undefined: there is no such resource. */
	remove(key: ObjectKey, dryRun: boolean): Promise<AppliedItem | EditFailure | undefined> {
		return this.#oneAtATime(() => this.#remove(key, dryRun));
	}

	async #apply(text: string, namespace: string, dryRun: boolean): Promise<ApplyAnswer | EditFailure> {
		const { objects, problems } = readResourceFile("request", text, { defaultNamespace: namespace });
		if (problems.some((problem) => problem.severity === "error")) return { ok: false, problems };
		if (objects.length === 0) return { ok: false, problems: [...problems, nothingFound] };
		const directory = this.#directory;
		if (directory === undefined) return noDirectory;
		const items: AppliedItem[] = [];
		for (const resource of resourceTexts("request", text, namespace)) {
			const before = this.#source.current(keyOf(resource.object));
			const outcome = before === undefined ? "created" : isSame(before, resource.object) ? "unchanged" : "configured";
			let file = before?.origin.file ?? directory;
			if (!dryRun && outcome !== "unchanged") {
				const written = await writeResource(directory, resource, before?.origin.file);
				if (!written.ok) return sharedDocument(resource.object, written);
				file = written.file;
			}
			items.push(itemOf(keyOf(resource.object), outcome, file));
		}
		if (!dryRun) await this.#source.rescan();
		return { ok: true, items, problems };
	}

	async #remove(key: ObjectKey, dryRun: boolean): Promise<AppliedItem | EditFailure | undefined> {
		const object = this.#source.current(key);
		if (!object) return undefined;
		const { file } = object.origin;
		if (!dryRun) {
			const written = await removeResource(file, key);
			if (!written.ok) return sharedDocument(object, written);
			await this.#source.rescan();
		}
		return itemOf(key, "deleted", file);
	}

	#oneAtATime<Result>(run: () => Promise<Result>): Promise<Result> {
		const result = this.#queue.then(run);
		this.#queue = result.catch(() => undefined);
		return result;
	}
}

const nothingFound: Problem = {
	severity: "error",
	origin: { file: "request", line: 1, column: 1 },
	resource: "",
	path: "",
	message: "holds no resource that Keepmesh reads",
	hint: "a resource begins with apiVersion, kind and metadata",
};

const noDirectory: EditFailure = {
	ok: false,
	message: "this control plane was given no directory to write to",
	next: "keepmesh control --resources DIR",
};

function sharedDocument(object: AnyObject, written: WriteOutcome): EditFailure {
	const { kind, metadata } = object;
	const name = `${kind} ${metadata.namespace}/${metadata.name}`;
	return {
		ok: false,
		message: `${name} stands in ${written.file} in one document with others`,
		next: `edit ${written.file}`,
	};
}

function itemOf(key: ObjectKey, outcome: AppliedItem["outcome"], file: string): AppliedItem {
	const [kind = "", namespace = "", name = ""] = key.split("/");
	return { kind, namespace, name, outcome, file };
}

function isSame(a: AnyObject, b: AnyObject): boolean {
	const { createdMs: _a, ...metaA } = a.metadata;
	const { createdMs: _b, ...metaB } = b.metadata;
	return a.apiVersion === b.apiVersion && isDeepStrictEqual(metaA, metaB) && isDeepStrictEqual(a.spec, b.spec);
}

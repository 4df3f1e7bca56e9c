// Every control plane that this node may turn to: those it was started with, which always stay, and those that a control plane has
// told it of. What was told is on disk. Whoever holds the list sees it grow and shrink in place.

import { readFileSync } from "node:fs";
import {
	type ControlPlaneAddress,
	controlPlanesName,
	controlPlanesTypeUrl,
	decodeControlPlanes,
	encodeControlPlanes,
	renderControlPlane,
} from "../../replicas/control-planes-codec.ts";
import type { Log } from "../../runtime/log.ts";
import { type ResponseSummary, valueOfAny } from "../../xds/relay-message.ts";
import { writeFileAtomic } from "../atomic-file.ts";
import type { OwnSubscription } from "../own-stream.ts";

export class ToldControlPlanes implements OwnSubscription {
	readonly typeUrl = controlPlanesTypeUrl;
	readonly #given: readonly ControlPlaneAddress[];
	readonly #all: ControlPlaneAddress[];
	readonly #file: string;
	readonly #log: Log;
	#versions: ReadonlyMap<string, string> = new Map();
	#saving: Promise<void> = Promise.resolve();

	constructor(given: readonly ControlPlaneAddress[], file: string, log: Log) {
		this.#given = given;
		this.#all = [...given];
		this.#file = file;
		this.#log = log;
		try {
			this.#set(decodeControlPlanes(readFileSync(file)) ?? []);
		} catch {
			// None was told yet.
		}
	}

	/** The same array all the time. */
	get addresses(): readonly ControlPlaneAddress[] {
		return this.#all;
	}

	versions(): ReadonlyMap<string, string> {
		return this.#versions;
	}

	take({ resources }: ResponseSummary): string | undefined {
		const found = resources.find(({ name }) => name === controlPlanesName);
		// A control plane that knows of no others says nothing of those that are known.
		if (!found) return undefined;
		const told = decodeControlPlanes(valueOfAny(found.any));
		if (!told || told.length === 0) return "this is no list of control planes";
		this.#versions = new Map([[controlPlanesName, found.version]]);
		if (!this.#set(told)) return undefined;
		this.#log.info(
			{ controlPlanes: this.#all.map(renderControlPlane) },
			"the control planes that this node may turn to",
		);
		const bytes = encodeControlPlanes(told.map(renderControlPlane));
		this.#saving = this.#saving
			.then(() => writeFileAtomic(this.#file, bytes))
			.catch((error: unknown) => this.#log.warn({ because: String(error) }, "the control planes could not be kept"));
		return undefined;
	}

	close(): Promise<void> {
		return this.#saving;
	}

	/** True when the list is another one. */
	#set(told: readonly ControlPlaneAddress[]): boolean {
		const given = new Set(this.#given.map(renderControlPlane));
		const wanted = new Map(told.map((one) => [renderControlPlane(one), one]));
		for (const address of given) wanted.delete(address);
		let hasChanged = false;
		for (let at = this.#all.length - 1; at >= this.#given.length; at--) {
			const one = this.#all[at];
			if (one && wanted.delete(renderControlPlane(one))) continue;
			this.#all.splice(at, 1);
			hasChanged = true;
		}
		this.#all.push(...wanted.values());
		return hasChanged || wanted.size > 0;
	}
}

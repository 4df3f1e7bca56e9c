// The API server's part of the lab: one JSON file for each object that it made up itself (Pods, EndpointSlices), below a
// directory that the control planes read. Files are replaced whole by rename, and only when something changed.

import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export class StatusWriter {
	readonly #directory: string;
	readonly #written = new Map<string, string>();

	constructor(directory: string) {
		this.#directory = directory;
		rmSync(directory, { recursive: true, force: true });
		mkdirSync(directory, { recursive: true });
	}

	/** `name`: `Pod.default.reviews-v1-x`. */
	put(name: string, object: object): void {
		const text = `${JSON.stringify(object)}\n`;
		if (this.#written.get(name) === text) return;
		const file = join(this.#directory, `${name}.json`);
		const temporary = join(this.#directory, `.${name}.tmp`);
		writeFileSync(temporary, text);
		renameSync(temporary, file);
		this.#written.set(name, text);
	}

	remove(name: string): void {
		if (!this.#written.delete(name)) return;
		rmSync(join(this.#directory, `${name}.json`), { force: true });
	}

	names(): readonly string[] {
		return [...this.#written.keys()];
	}
}

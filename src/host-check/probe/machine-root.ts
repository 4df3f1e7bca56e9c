// Files of the machine, or of a directory that stands in for it. In: paths from the root. Out: texts; undefined for what is not
// there or may not be read.

import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

export class MachineRoot {
	readonly directory: string;

	/** `/` is the machine itself. */
	constructor(directory: string) {
		this.directory = directory;
	}

	get isMachine(): boolean {
		return this.directory === "/";
	}

	path(name: string): string {
		return join(this.directory, name);
	}

	read(name: string): string | undefined {
		try {
			return readFileSync(this.path(name), "utf8");
		} catch {
			return undefined;
		}
	}

	link(name: string): string | undefined {
		try {
			return readlinkSync(this.path(name));
		} catch {
			return undefined;
		}
	}

	/** Sorted. */
	list(name: string): readonly string[] {
		try {
			return readdirSync(this.path(name)).sort();
		} catch {
			return [];
		}
	}
}

// The machine's settings (sysctls) that IPVS is given, and how they were before: in a file, so that a later run or a clean-up puts
// them back. In: what is wanted. Out: settings of the kernel.

import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { applyHostSettings, type HostSetting } from "../../kernel/linux/ipvs/ipvs-host-settings.ts";
import { replaceFile } from "../../runtime/durable-file.ts";

/** How it was before, and what it was set to. */
interface Changed extends HostSetting {
	readonly ours: string;
}

/** Pods need it, whoever serves Services. */
const stays = "net/ipv4/ip_forward";

export class MachineSettings {
	readonly #directory: string;
	readonly #file: string;

	constructor(directory: string) {
		this.#directory = directory;
		this.#file = join(directory, "ipvs-settings.json");
	}

	/** What an earlier run changed and nobody wants now is put back. Returns what could not be done. */
	set(wanted: readonly HostSetting[]): readonly string[] {
		const names = new Set(wanted.map(({ name }) => name));
		const known = this.#read();
		const problems = this.#restore(known.filter(({ name }) => !names.has(name)));
		const { before, problems: more } = applyHostSettings(wanted);
		const oursOf = new Map(wanted.map(({ name, value }) => [name, value]));
		const kept = known.filter(({ name }) => names.has(name));
		const added = before
			.filter(({ name }) => name !== stays && !kept.some((one) => one.name === name))
			.map(({ name, value }) => ({ name, value, ours: oursOf.get(name) ?? "" }));
		this.#write([...kept, ...added]);
		return [...problems, ...more];
	}

	putBack(): readonly string[] {
		const problems = this.#restore(this.#read());
		this.#write([]);
		return problems;
	}

	/** Whoever changed it after us knows better. */
	#restore(changed: readonly Changed[]): readonly string[] {
		return applyHostSettings(changed.filter(({ name, ours }) => settingOf(name) === ours)).problems;
	}

	#read(): readonly Changed[] {
		try {
			return existsSync(this.#file) ? (JSON.parse(readFileSync(this.#file, "utf8")) as readonly Changed[]) : [];
		} catch {
			return [];
		}
	}

	#write(changed: readonly Changed[]): void {
		if (changed.length === 0) {
			rmSync(this.#file, { force: true });
			return;
		}
		mkdirSync(this.#directory, { recursive: true, mode: 0o711 });
		replaceFile(this.#file, `${JSON.stringify(changed)}\n`);
	}
}

function settingOf(name: string): string | undefined {
	try {
		return readFileSync(`/proc/sys/${name}`, "utf8").trim();
	} catch {
		return undefined;
	}
}

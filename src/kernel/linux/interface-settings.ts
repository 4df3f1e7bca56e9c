// Settings of an interface below /proc/sys/net. In: family, interface, name. Out: its value; or the change, and what was before.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import type { AddressFamily, Outcome } from "../host-network.ts";

/** Undefined when this kernel or interface has no such setting. Of the namespace that the thread is in. */
export function readSetting(family: AddressFamily, interfaceName: string, name: string): string | undefined {
	try {
		return readFileSync(pathOf(family, interfaceName, name), "utf8").trim();
	} catch {
		return undefined;
	}
}

export function writeSetting(family: AddressFamily, interfaceName: string, name: string, value: string): Outcome {
	const before = readSetting(family, interfaceName, name);
	if (before === value) return { ok: true, changed: false };
	try {
		writeFileSync(pathOf(family, interfaceName, name), value);
		return { ok: true, changed: true };
	} catch (error) {
		const text = error instanceof Error ? error.message : String(error);
		return before === undefined
			? { ok: false, because: "unsupported", message: `${interfaceName} has no setting ${family}/${name}` }
			: { ok: false, because: "notPermitted", message: `${text}; /proc/sys must be writable, also in a container` };
	}
}

/** `default`, which new interfaces begin with, is one of them; `all` is not. */
export function interfacesWithSettings(): readonly string[] {
	return readdirSync("/proc/sys/net/ipv4/conf").filter((name) => name !== "all");
}

function pathOf(family: AddressFamily, interfaceName: string, name: string): string {
	return `/proc/sys/net/${family}/conf/${interfaceName}/${name}`;
}

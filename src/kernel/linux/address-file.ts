// Remembers which addresses were added, for kernels that do not keep who added one (IFA_PROTO came with Linux 5.18). In: adds and
// removals, each written before the call returns. Out: whether an address is one of them, also after a crash.

import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import type { VirtualAddress } from "../../vip/vip-config.ts";
import type { HostAddress } from "../host-network.ts";
import { addressBytes, addressText } from "./ip-text.ts";

export class AddressFile {
	readonly #path: string;
	readonly #keys: Set<string>;
	readonly #needed: boolean;

	/** `kernelRelease` is `uname -r`; with a kernel that keeps the number nothing is written. */
	constructor(path: string, kernelRelease: string = release()) {
		this.#path = path;
		this.#needed = !keepsAddressProtocol(kernelRelease);
		this.#keys = new Set(this.#needed ? linesOf(path) : []);
	}

	has(address: HostAddress): boolean {
		return this.#keys.has(keyOf(address.interface, address));
	}

	add(interfaceName: string, address: VirtualAddress): void {
		if (!this.#needed) return;
		this.#keys.add(keyOf(interfaceName, address));
		this.#write();
	}

	remove(interfaceName: string, address: VirtualAddress): void {
		if (this.#needed && this.#keys.delete(keyOf(interfaceName, address))) this.#write();
	}

	#write(): void {
		writeFileSync(`${this.#path}.new`, [...this.#keys, ""].join("\n"), { mode: 0o600 });
		renameSync(`${this.#path}.new`, this.#path);
	}
}

export function keepsAddressProtocol(kernelRelease: string): boolean {
	const [major = 0, minor = 0] = kernelRelease.split(".").map((part) => Number.parseInt(part, 10));
	return major > 5 || (major === 5 && minor >= 18);
}

function keyOf(interfaceName: string, address: { readonly address: string; readonly prefixLength: number }): string {
	return `${interfaceName} ${addressText(addressBytes(address.address))}/${address.prefixLength}`;
}

function linesOf(path: string): readonly string[] {
	try {
		return readFileSync(path, "utf8").split("\n").filter(Boolean);
	} catch {
		return [];
	}
}

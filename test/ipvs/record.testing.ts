// The record of virtual servers that are ours, in memory.

import type { OwnedRecord } from "../../src/node/layer4/ipvs-rules.ts";

export class FakeRecord implements OwnedRecord {
	names: readonly string[] = [];

	read(): ReadonlySet<string> {
		return new Set(this.names);
	}

	write(names: readonly string[]): void {
		this.names = [...names].sort();
	}
}

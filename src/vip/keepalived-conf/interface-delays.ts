// A line of interface_up_down_delays: `eth0 0.5 1`.

import { type BlockContext, error } from "./block-reader.ts";
import { interfaceName } from "./conf-addresses.ts";
import type { Statement } from "./conf-tree.ts";
import { microsValue } from "./conf-values.ts";

export interface InterfaceDelay {
	readonly interface: string;
	readonly downMs: number;
	readonly upMs: number;
}

export function readInterfaceDelay(delays: InterfaceDelay[], line: Statement, context: BlockContext): undefined {
	const [name, down, up] = line.words;
	if (down === undefined)
		return error(context, line, "there is no delay; the line is passed over", "write INTERFACE SECONDS [SECONDS]");
	const range = { min: 0, max: 255, otherwise: "the line is passed over" };
	const downMicros = microsValue(down, range, line, context);
	const upMicros = up === undefined ? downMicros : microsValue(up, range, line, context);
	const known = interfaceName(name, line, context);
	if (known === undefined || downMicros === undefined || upMicros === undefined) return;
	delays.push({ interface: known, downMs: downMicros / 1000, upMs: upMicros / 1000 });
}

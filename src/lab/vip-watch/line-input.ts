// Lines of standard input for a program that lives in a blocking loop, where Node's own streams never run.

import { libc } from "../../kernel/linux/libc.ts";
import type { RealTimeLoop } from "../../kernel/real-time-loop.ts";

export function onLines(loop: RealTimeLoop, onLine: (line: string) => void, onEnd: () => void): void {
	const bytes = Buffer.alloc(4096);
	let rest = "";
	const cancel = loop.watchReadable(0, () => {
		const length = libc.read(0, bytes, bytes.length);
		if (length <= 0) {
			cancel();
			onEnd();
			return;
		}
		const lines = (rest + bytes.toString("utf8", 0, length)).split("\n");
		rest = lines.pop() ?? "";
		for (const line of lines) onLine(line);
	});
}

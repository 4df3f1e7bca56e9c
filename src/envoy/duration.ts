// Durations of Istio's resources ("1.5s", "1h2m", "300ms": Go's form) -> protobuf Duration.

import type { Duration } from "@bufbuild/protobuf/wkt";
import { durationFromMs } from "./encode-resource.ts";

const unitMs: Readonly<Record<string, number>> = {
	ns: 1e-6,
	us: 1e-3,
	µs: 1e-3,
	ms: 1,
	s: 1000,
	m: 60_000,
	h: 3_600_000,
};

/** Undefined for a missing or unreadable text: the readers of resources have reported it already. */
export function durationFromText(text: string | undefined): Duration | undefined {
	const ms = msFromText(text);
	return ms === undefined ? undefined : durationFromMs(ms);
}

export function msFromText(text: string | undefined): number | undefined {
	if (text === undefined || text === "") return undefined;
	if (text === "0") return 0;
	if (!/^(?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
	let ms = 0;
	for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)/g)) {
		ms += Number(amount) * (unitMs[unit as string] as number);
	}
	return ms;
}

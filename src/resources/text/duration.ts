// Duration texts of Istio's resources ("1.5s", "1m30s", "200ms"), Go's form: text comes in, milliseconds go out.

const unitMs: Readonly<Record<string, number>> = {
	ns: 1e-6,
	us: 1e-3,
	µs: 1e-3,
	μs: 1e-3,
	ms: 1,
	s: 1000,
	m: 60_000,
	h: 3_600_000,
};

/** Milliseconds, which may be a fraction; undefined when the text is no duration. A bare `0` is one, any other number is not. */
export function parseDurationMs(text: string): number | undefined {
	const signed = /^([+-]?)(.*)$/.exec(text);
	const sign = signed?.[1] === "-" ? -1 : 1;
	const body = signed?.[2] ?? "";
	if (body === "0") return 0;
	if (!/^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(body)) return undefined;
	let total = 0;
	for (const [, amount, unit] of body.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g))
		total += Number(amount) * (unitMs[unit ?? ""] ?? 0);
	return sign * (Math.round(total * 1e6) / 1e6);
}

// Program: sends the load that its argument (JSON of a LoadRequest) describes until its standard input ends, and prints every
// request, after a line `begins` when it begins: {"startUs", "outcomes": [names], "requests": [[due ms, end ms, index of the outcome], ...]}.

import { monotonicUs } from "../../kernel/linux/monotonic-us.ts";
import type { LoadRequest } from "../load/load-report.ts";
import { sendRequests } from "../load/send-load.ts";

const request = JSON.parse(process.argv[2] ?? "{}") as LoadRequest;
const stop = new AbortController();
process.stdin.on("end", () => stop.abort()).on("close", () => stop.abort());
process.stdin.resume();
process.stdout.write("begins\n");
const aheadUs = monotonicUs() - performance.now() * 1000;
const { outcomes, startedMs } = await sendRequests(request, stop.signal);
const names = [...new Set(outcomes.map(({ outcome }) => outcome))];
const requests = outcomes.map(({ startMs, endMs, outcome }) => [startMs, endMs, names.indexOf(outcome)]);
process.stdout.write(`${JSON.stringify({ startUs: startedMs * 1000 + aheadUs, outcomes: names, requests })}\n`, () =>
	process.exit(0),
);

// Program: sends the load that its argument (JSON of a LoadRequest) describes until its standard input ends, and prints every
// request, after a line `begins` when it begins: {"startUs", "outcomes": [names], "requests": [[due ms, end ms, index of the outcome], ...]}.

import type { LoadRequest } from "../load/load-report.ts";
import { sendLogged } from "./send-logged.ts";

const request = JSON.parse(process.argv[2] ?? "{}") as LoadRequest;
const stop = new AbortController();
process.stdin.on("end", () => stop.abort()).on("close", () => stop.abort());
process.stdin.resume();
process.stdout.write("begins\n");
const log = await sendLogged(request, stop.signal);
process.stdout.write(`${JSON.stringify(log)}\n`, () => process.exit(0));

// Program: sends the load that its argument (JSON of a LoadRequest) describes until its standard input ends, and prints the
// LoadReport as JSON. Whoever started it may die: then the input ends as well.

import type { LoadRequest } from "../load/load-report.ts";
import { sendLoad } from "../load/send-load.ts";

const request = JSON.parse(process.argv[2] ?? "{}") as LoadRequest;
const stop = new AbortController();
process.stdin.on("end", () => stop.abort()).on("close", () => stop.abort());
process.stdin.resume();
// A pipe takes 64 KiB at once: an exit right away would cut the rest off.
process.stdout.write(`${JSON.stringify(await sendLoad(request, stop.signal))}\n`, () => process.exit(0));

// Program: sends the load that its argument (JSON of a LoadRequest) describes, and prints the LoadReport as JSON.

import type { LoadRequest } from "./load-report.ts";
import { sendLoad } from "./send-load.ts";

const request = JSON.parse(process.argv[2] ?? "{}") as LoadRequest;
console.log(JSON.stringify(await sendLoad(request)));

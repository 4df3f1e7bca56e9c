// Program: a web service on loopback that a health check asks. Argument: PORT. It ends with its standard input.

import { createServer } from "node:http";

process.stdin.on("end", () => process.exit(0)).resume();
createServer((_request, response) => response.end("ok\n")).listen(Number(process.argv[2]), "127.0.0.1");

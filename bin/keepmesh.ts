import { runCli } from "../src/app/cli/run-cli.ts";

process.exitCode = await runCli(process.argv.slice(2));

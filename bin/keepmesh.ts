const args = process.argv.slice(2);
// The process of the virtual IPs carries none of the command line's libraries: it must stay small.
const small = args[0] === "vip" && args[1] === "run" && !args.includes("--help") && !args.includes("-h");
process.exitCode = small
	? await (await import("../src/app/vip-main.ts")).runVip(args.slice(2))
	: await (await import("../src/app/cli/run-cli.ts")).runCli(args);

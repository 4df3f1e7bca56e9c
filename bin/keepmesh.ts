const args = process.argv.slice(2);
// The process of the virtual IPs carries none of the command line's libraries: it must stay small.
const small = args[0] === "vip" && !args.includes("--help") && !args.includes("-h") ? args[1] : undefined;
if (small === "run" || small === "clean-up") {
	const { startLean } = await import("../src/app/vip/lean-start.ts");
	if (small === "run") startLean();
	const { cleanUpVip, runVip } = await import("../src/app/vip-main.ts");
	process.exitCode = await (small === "run" ? runVip : cleanUpVip)(args.slice(2));
} else if (args[0] === "proxy" && !args.includes("--help") && !args.includes("-h")) {
	// In a pod, whose application waits for it.
	const { runProxy } = await import("../src/app/proxy-main.ts");
	process.exitCode = await runProxy(args.slice(1));
} else if (args[0] === "vip" && args[1] === "feed") {
	// Started by `vip run --kubernetes` beside itself; nobody types it.
	const { runVipFeed } = await import("../src/app/vip-feed-main.ts");
	process.exitCode = await runVipFeed(args.slice(2));
} else if (runsVirtualServers(args)) {
	const { startLean } = await import("../src/app/vip/lean-start.ts");
	startLean();
	const { runVirtualServers } = await import("../src/app/l4-main.ts");
	process.exitCode = await runVirtualServers(args.slice(2));
} else {
	const { runCli } = await import("../src/app/cli/run-cli.ts");
	process.exitCode = await runCli(args);
}

function runsVirtualServers([command, what, ...flags]: readonly string[]): boolean {
	const asksMore = flags.some((flag) => ["--help", "-h", "-f", "--filename"].includes(flag));
	return command === "l4" && what === "run" && !asksMore && flags.some((flag) => flag.startsWith("--keepalived-conf"));
}

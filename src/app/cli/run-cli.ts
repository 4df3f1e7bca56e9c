/** Runs one command line; resolves to the exit code (sysexits). */
export async function runCli(args: readonly string[]): Promise<number> {
	console.log("keepmesh", args.join(" "));
	return 0;
}

// A pod's redirect as its kernel has it: what must be the same before and after.

import { runCommand } from "../../kernel/run-command.ts";
import { netnsPath } from "../../lab/network.ts";

/** Tables, chains and rules, without counters and without elements of sets, which come and go. */
export async function redirectOf(netns: string): Promise<string> {
	const argv = [`--net=${netnsPath(netns)}`, "nft", "--stateless", "--terse", "list", "ruleset"];
	const { code, stdout, stderr } = await runCommand("nsenter", argv);
	if (code !== 0) throw new Error(stderr.trim());
	return stdout;
}

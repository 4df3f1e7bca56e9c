// nft commands that are in force for as long as a process lives. In: commands whose tables have the flag `owner`, and the network
// namespace. Out: what takes them away; so do the time, and the end of this process in any way: nft ends with its input.

import { spawn } from "node:child_process";
import { once } from "node:events";

export interface HeldRules {
	/** Resolves when they are gone. */
	lift(): Promise<void>;
}

/** Of `list tables`, behind all of the commands. */
const inForce = /table arp keepmesh-drill/;
/** Not what its line editor says of terminals. */
const refused = /\bError:/;

/** Resolves when they are in force; rejects with what nft says against them. */
export async function holdRules(netns: string, commands: readonly string[], withinMs: number): Promise<HeldRules> {
	const child = spawn("nsenter", [`--net=${netns}`, "--", "nft", "-i"], { stdio: "pipe" });
	const ended = once(child, "close");
	ended.catch(() => {});
	const lift = async (): Promise<void> => {
		clearTimeout(timer);
		child.stdin.end();
		await ended;
	};
	const timer = setTimeout(() => child.stdin.end(), withinMs);
	child.stdin.on("error", () => {});
	let [stdout, stderr] = ["", ""];
	const decided = new Promise<boolean>((resolve) => {
		child.stdout.setEncoding("utf8").on("data", (text: string) => {
			stdout += text;
			if (inForce.test(stdout)) resolve(true);
		});
		child.stderr.setEncoding("utf8").on("data", (text: string) => {
			stderr += text;
			if (refused.test(stderr)) resolve(false);
		});
		child.once("close", () => resolve(false));
		child.once("error", () => resolve(false));
	});
	child.stdin.write(`${[...commands, "list tables arp"].join("\n")}\n`);
	if ((await decided) && !refused.test(stderr)) return { lift };
	await lift().catch(() => {});
	throw new Error(`nft does not take the rules: ${stderr.trim() || "it ended"}`);
}

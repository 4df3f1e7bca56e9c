// Lets two programs hand over ports that both listen on (SO_REUSEPORT). In: a network namespace. Out: done, or why not. From then on
// a connection that waits at a socket which is closed goes to the other program's instead of being reset
// (net.ipv4.tcp_migrate_req, since Linux 5.14; for IPv6 as well).

import { runCommand } from "./run-command.ts";

export type PortsShared = { readonly ok: true } | { readonly ok: false; readonly because: string };

/** Idempotent; stays on, as it means nothing where no port is shared. */
export async function sharePorts(netns: string): Promise<PortsShared> {
	const script = "echo 1 >/proc/sys/net/ipv4/tcp_migrate_req";
	const { code, stderr } = await runCommand("nsenter", [`--net=${netns}`, "--", "sh", "-c", script]);
	return code === 0 ? { ok: true } : { ok: false, because: stderr.trim().split("\n")[0] ?? "" };
}

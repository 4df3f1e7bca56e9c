// The demo without root: the same command again inside a user namespace of its own, where this user is root and Envoy's user
// exists. All that the lab makes lives in namespaces that end with the command, so nothing can be left behind.

import { spawn, spawnSync } from "node:child_process";
import { constants } from "node:os";

/** Set inside; the network there is its own, so forwarded ports cannot be reached from outside. */
const insideMark = "KEEPMESH_USER_NAMESPACE";

/** `--map-auto` maps the range of /etc/subuid (newuidmap does it), so that user 1337 exists. */
const unshareFlags = [
	"--user",
	"--map-auto",
	"--map-root-user",
	"--mount",
	"--net",
	"--pid",
	"--fork",
	"--kill-child=SIGKILL",
	"--mount-proc",
];

export function isInUserNamespace(): boolean {
	return process.env[insideMark] === "1";
}

/** Whether the kernel and the machine allow such a namespace: tried, not guessed. */
export function canEnterUserNamespace(): boolean {
	const probe =
		"mount -t tmpfs none /run && mkdir /run/netns && ip netns add probe && setpriv --reuid 1337 --regid 1337 --clear-groups true";
	return spawnSync("unshare", [...unshareFlags, "sh", "-c", probe], { stdio: "ignore" }).status === 0;
}

/** Runs this very command line again inside; resolves to its exit code. */
export function runInUserNamespace(): Promise<number> {
	const script = 'mount -t tmpfs none /run && ip link set lo up && exec "$@"';
	const command = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
	const child = spawn("unshare", [...unshareFlags, "sh", "-c", script, "sh", ...command], {
		stdio: "inherit",
		env: { ...process.env, [insideMark]: "1" },
	});
	// The terminal's Ctrl-C reaches the command inside as well; this process only waits for it.
	for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => {});
	return new Promise((resolve, reject) => {
		child.once("error", reject);
		child.once("close", (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
	});
}

// Runs the tests of IPVS on a real kernel with ip_vs: a QEMU guest that has the checkout in its first root file system.
// In: names of test files, or all. Out: the guest's TAP on standard output; exit code 0 when every test passed.

import { spawn } from "node:child_process";
import {
	appendFileSync,
	copyFileSync,
	existsSync,
	globSync,
	mkdtempSync,
	readdirSync,
	rmSync,
	statSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { cpioParts } from "./cpio.ts";
import { checkout, kernelRelease, machineFiles, projectFiles, unpacked } from "./guest-files.ts";

const longestMs = Number(process.env.KEEPMESH_IPVS_TEST_MS ?? 420_000);
const state = join(checkout, ".keepmesh/ipvs-guest");
const asked = process.argv.slice(2);
const tests = asked.length > 0 ? asked : globSync("test/ipvs/*.guest.ts", { cwd: checkout }).sort();

const startedAt = performance.now();
const seconds = () => `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
removeLeftOvers();
const work = mkdtempSync(join(state, `run-${process.pid}-`));
const image = join(work, "initrd");
copyFileSync(machineArchive(), image);
for (const part of cpioParts(projectFiles(tests, Math.ceil(longestMs / 1000)))) appendFileSync(image, part);
console.error(`ipvs guest: image of ${(statSync(image).size / 1e6).toFixed(0)} MB after ${seconds()}`);
process.exitCode = await run();

/** Kept until a package or this folder changes. */
function machineArchive(): string {
	const sources = [
		join(checkout, ".keepmesh/node"),
		...globSync(`${import.meta.dirname}/*`),
		join(state, "packages.stamp"),
	];
	const newest = Math.max(...sources.map((path) => statSync(path).mtimeMs));
	const archive = join(state, "machine.cpio");
	if (existsSync(archive) && statSync(archive).mtimeMs > newest) return archive;
	writeFileSync(`${archive}.new`, Buffer.concat(cpioParts(machineFiles())));
	copyFileSync(`${archive}.new`, archive);
	rmSync(`${archive}.new`);
	return archive;
}

/** Of runs that were killed. */
function removeLeftOvers(): void {
	for (const name of readdirSync(state).filter((name) => name.startsWith("run-")))
		if (!existsSync(`/proc/${name.split("-")[1]}`)) rmSync(join(state, name), { recursive: true, force: true });
}

function run(): Promise<number> {
	const qemu = spawn(
		// The guest dies with this process, however that ends.
		"setpriv",
		[
			...["--pdeathsig", "KILL", "qemu-system-x86_64"],
			...["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1024", "-machine", "q35"],
			...["-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio", "-nic", "none"],
			...["-kernel", join(unpacked, "boot", `vmlinuz-${kernelRelease()}`), "-initrd", image],
			"-append",
			"console=ttyS0 quiet loglevel=3 panic=-1 nokaslr mitigations=off no_timer_check random.trust_cpu=on",
		],
		{ stdio: ["ignore", "pipe", "inherit"] },
	);
	const stop = () => qemu.kill("SIGKILL");
	const tooLong = setTimeout(() => {
		console.error(`ipvs guest: stopped after ${longestMs} ms without an end`);
		stop();
	}, longestMs);
	process.once("exit", () => {
		stop();
		rmSync(work, { recursive: true, force: true });
	});
	for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));
	let code = 70;
	createInterface(qemu.stdout).on("line", (line) => {
		const ended = line.match(/^guest: ended with (\d+)/);
		if (ended) code = Number(ended[1]);
		console.log(line);
	});
	return new Promise((resolve) => {
		qemu.once("error", (error) => {
			console.error(`ipvs guest: ${error.message}`);
			resolve(69);
		});
		qemu.once("close", () => {
			clearTimeout(tooLong);
			console.error(`ipvs guest: ${code === 0 ? "all passed" : `failed (${code})`} after ${seconds()}`);
			resolve(code);
		});
	});
}

// keepmesh check as it is typed: on a directory that stands in for a machine, and on the settings of a network namespace of its
// own. Nothing of this machine is changed.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { promisify } from "node:util";
import { keepmesh, program } from "./cli.testing.ts";

interface CheckAnswer {
	readonly ok: boolean;
	readonly counts: Readonly<Record<string, number>>;
	readonly findings: readonly { readonly id: string; readonly level: string; readonly is: string }[];
}

const dropIn = "etc/sysctl.d/60-keepmesh.conf";

describe("keepmesh check on a machine that stands in", () => {
	let root = "";
	const write = (path: string, text: string): void => {
		mkdirSync(dirname(join(root, path)), { recursive: true });
		writeFileSync(join(root, path), text);
	};
	const read = (path: string): string => readFileSync(join(root, path), "utf8").trim();
	const check = (...args: string[]) => keepmesh(["check", "--root", root, ...args]);

	beforeEach(() => {
		root = mkdtempSync(join(tmpdir(), "keepmesh-check-"));
		write("proc/meminfo", "MemTotal:        8000000 kB\n");
		write("proc/cpuinfo", "processor\t: 0\nprocessor\t: 1\n");
		write("proc/sys/kernel/osrelease", "6.12.0-1\n");
		write("proc/sys/net/ipv4/ip_forward", "0\n");
		write("proc/sys/net/ipv4/ip_local_port_range", "1024\t65535\n");
		write("proc/sys/net/ipv4/conf/all/rp_filter", "1\n");
		write("proc/sys/net/ipv4/conf/eth0/rp_filter", "1\n");
		write("etc/sysctl.d/10-own.conf", "net.ipv4.ip_forward = 0\n");
	});
	afterEach(() => rmSync(root, { recursive: true, force: true }));

	it("exits 1 with what must change first, and the next thing to type", async () => {
		const { code, stdout, stderr } = await check("--for", "l4");
		assert.equal(code, 1);
		assert.match(stdout, /^LEVEL +SETTING +IS +SHOULD BE +OTHERWISE\nmust +ip_forward +0 +1 +packets between/);
		assert.match(stdout, /^should +ip_local_port_range +1024 65535 +from 32768 /m);
		assert.match(stderr, /^error: 1 must change, .*\nnext: keepmesh check --for l4 --fix --dry-run/);
	});

	it("exits 0 where nothing must change", async () => {
		write("proc/sys/net/ipv4/ip_forward", "1\n");
		const { code, stderr } = await check("--for", "l4");
		assert.equal(code, 0, stderr);
		assert.match(stderr, /^0 must change/);
	});

	it("tells details and what is as it should be, when asked", async () => {
		const { stdout } = await check("--for", "l4", "--all", "-o", "wide");
		assert.match(
			stdout,
			/must {2}net\.ipv4\.ip_forward\n {2}is +0\n {2}should be +1\n[\s\S]*to change {2}keepmesh check --fix sets 1/,
		);
		assert.match(stdout, /ok {2}kernel\.version/);
	});

	it("prints JSON and YAML alone on stdout", async () => {
		const { code, stdout } = await check("--for", "l4", "-o", "json");
		assert.equal(code, 1);
		const answer = JSON.parse(stdout) as CheckAnswer;
		assert.deepEqual([answer.ok, answer.counts.must], [false, 1]);
		assert.equal(answer.findings[0]?.id, "net.ipv4.ip_forward");
		const yaml = await check("--for", "l4", "-o", "yaml");
		assert.match(yaml.stdout, /^ok: false\ncounts:\n/);
	});

	it("prints the file of a fix without writing anything", async () => {
		const { code, stdout } = await check("--for", "l4", "--fix", "--dry-run");
		assert.equal(code, 0);
		assert.match(stdout, /^# before: net\.ipv4\.ip_forward = 0\nnet\.ipv4\.ip_forward = 1$/m);
		assert.equal(existsSync(join(root, dropIn)), false);
		assert.equal(read("proc/sys/net/ipv4/ip_forward"), "0");
	});

	it("fixes, has nothing to fix then, and gives exactly the old values back", async () => {
		const fixed = await check("--for", "l4", "--fix");
		assert.equal(fixed.code, 0, fixed.stderr);
		assert.match(fixed.stdout, /^net\.ipv4\.ip_forward: 0 -> 1$/m);
		assert.match(fixed.stderr, /the machine passes packets on/);
		assert.equal(read("proc/sys/net/ipv4/ip_forward"), "1");
		const file = read(dropIn);
		const again = await check("--for", "l4", "--fix");
		assert.deepEqual([again.code, again.stdout, read(dropIn)], [0, "", file]);
		assert.match(again.stderr, /nothing to fix/);
		const undone = await check("--undo");
		assert.equal(undone.code, 0, undone.stderr);
		assert.equal(read("proc/sys/net/ipv4/ip_forward"), "0");
		assert.equal(read("proc/sys/net/ipv4/ip_local_port_range"), "1024 65535");
		assert.deepEqual(readdirSync(join(root, "etc/sysctl.d")), ["10-own.conf"]);
		assert.match((await check("--undo")).stderr, /nothing to undo/);
	});

	it("loosens nothing unless it is named", async () => {
		const careful = await check("--for", "l4", "--with", "asymmetric", "--fix");
		assert.match(careful.stderr, /rp_filter stays 1, because .*--loosen net\.ipv4\.conf\.all\.rp_filter/);
		assert.equal(read("proc/sys/net/ipv4/conf/all/rp_filter"), "1");
		const named = ["--fix", "--loosen", "net.ipv4.conf.all.rp_filter"];
		const { stderr } = await check("--for", "l4", "--with", "asymmetric", ...named);
		assert.match(stderr, /from now on packets with forged sources/);
		assert.equal(read("proc/sys/net/ipv4/conf/all/rp_filter"), "2");
	});

	it("never touches a file that somebody else wrote", async () => {
		write(dropIn, "net.ipv4.ip_forward = 0\n");
		for (const what of ["--fix", "--undo"]) {
			const { code, stderr } = await check(what);
			assert.equal(code, 1);
			assert.match(stderr, /was not written by keepmesh check --fix\nnext: mv /);
		}
		assert.equal(read(dropIn), "net.ipv4.ip_forward = 0");
	});

	it("says what could not be set, with the rest set", async () => {
		// A value that not even root may write.
		mkdirSync(join(root, "proc/sys/net/netfilter"));
		symlinkSync("/proc/sys/kernel/ngroups_max", join(root, "proc/sys/net/netfilter/nf_conntrack_max"));
		const { code, stdout, stderr } = await check("--for", "l4", "--fix");
		assert.equal(code, 1);
		assert.match(stdout, /^net\.netfilter\.nf_conntrack_max: stays 65536: not permitted/m);
		assert.match(stderr, /is written, but 1 of 3 values could not be set now\nnext: .*keepmesh check --undo/);
		assert.equal(read("proc/sys/net/ipv4/ip_forward"), "1");
	});

	it("warns of a file that takes the value back when the machine starts", async () => {
		write("etc/sysctl.d/99-hardening.conf", "net.ipv4.ip_forward=0\n");
		const { stderr } = await check("--for", "l4", "--fix");
		assert.match(stderr, /\/etc\/sysctl\.d\/99-hardening\.conf sets net\.ipv4\.ip_forward to 0 after us/);
	});

	it("refuses what makes no sense with 64", async () => {
		const uses = [
			["--fix", "--undo"],
			["--loosen", "x"],
			["--fix", "--loosen", "nonsense"],
			["--for", "nobody"],
			["--with", "x"],
		];
		for (const args of uses) {
			const { code, stderr } = await check(...args);
			assert.equal(code, 64, `${args.join(" ")}: ${stderr}`);
			assert.match(stderr, /\nnext: keepmesh check/);
		}
		assert.equal((await keepmesh(["check", "--root", join(root, "nowhere")])).code, 66);
	});
});

const canUnshare = process.getuid?.() === 0 && existsSync("/proc/self/ns/net");

describe("keepmesh check in a network namespace of its own", { skip: canUnshare ? false : "needs root" }, () => {
	let root = "";
	before(() => {
		root = mkdtempSync(join(tmpdir(), "keepmesh-check-netns-"));
		symlinkSync("/proc", join(root, "proc"));
		symlinkSync("/sys", join(root, "sys"));
	});
	after(() => rmSync(root, { recursive: true, force: true }));

	it("sets the kernel's values and gives them back, with what the kernel changed along", async () => {
		const command = `"${process.execPath}" --no-warnings "${program}" check --root "${root}" --for l4`;
		const look =
			"sysctl -a 2>/dev/null | grep -E '^net\\.(ipv4|ipv6|netfilter|core)\\.' | grep -vE 'count|secret|fib_multipath_hash_seed|stable' | sort";
		const script = `
			ip link set lo up
			ip addr add 2001:db8::1/64 dev lo
			${look} > "${root}/before"
			${command} --fix > "${root}/said" 2>&1 || exit 3
			${look} > "${root}/during"
			${command} --fix >> "${root}/said" 2>&1 || exit 4
			${command} -o json > "${root}/json"
			${command} --undo >> "${root}/said" 2>&1 || exit 5
			${look} > "${root}/after"`;
		const machine = readFileSync("/proc/sys/net/ipv4/ip_forward", "utf8");
		await promisify(execFile)("unshare", ["--net", "bash", "-c", script], { timeout: 60_000 }).catch((error: Error) => {
			assert.fail(`${error.message}\n${readFileSync(join(root, "said"), "utf8")}`);
		});
		const text = (name: string): string => readFileSync(join(root, name), "utf8");
		assert.match(text("during"), /^net\.ipv4\.ip_forward = 1$/m);
		assert.match(text("during"), /^net\.ipv6\.conf\.lo\.forwarding = 1$/m);
		assert.match(text("during"), /^net\.netfilter\.nf_conntrack_tcp_timeout_close_wait = 3600$/m);
		assert.match(text("said"), /nothing to fix/);
		const { findings } = JSON.parse(text("json")) as CheckAnswer;
		assert.equal(findings.find(({ id }) => id === "net.ipv4.ip_forward")?.level, "ok");
		assert.notEqual(text("during"), text("before"));
		assert.equal(text("after"), text("before"));
		assert.equal(existsSync(join(root, dropIn)), false);
		assert.equal(readFileSync("/proc/sys/net/ipv4/ip_forward", "utf8"), machine, "this machine is untouched");
	});

	it("finds who has our port, and rules of others, and changes nothing", async () => {
		const listen = 'require("net").createServer().listen(15012, "127.0.0.1", () => console.log("listens"))';
		const script = `
			ip link set lo up
			nft 'table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; }; }'
			nft 'table ip kube-proxy { chain services { }; }'
			exec 3< <("${process.execPath}" -e '${listen}' & echo $!; wait)
			read server <&3; read said <&3
			trap 'kill $server' EXIT
			"${process.execPath}" --no-warnings "${program}" check -o json > "${root}/json"
			nft list tables > "${root}/tables"`;
		await promisify(execFile)("unshare", ["--net", "bash", "-c", script], { timeout: 60_000 }).catch(() => {});
		const { findings } = JSON.parse(readFileSync(join(root, "json"), "utf8")) as CheckAnswer;
		const found = (id: string) => findings.find((finding) => finding.id === id);
		assert.deepEqual([found("conflict.ports")?.level, found("conflict.ports")?.is], ["should", "15012 taken"]);
		assert.equal(found("conflict.kube-proxy")?.is, "left rules");
		assert.equal(found("conflict.forward-policy")?.is, "drop in filter");
		assert.equal(found("nftables.jhash")?.level, "ok", "this kernel takes the rules");
		assert.equal(readFileSync(join(root, "tables"), "utf8"), "table ip filter\ntable ip kube-proxy\n");
	});
});

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkHost } from "./check-host.ts";
import { goodFacts } from "./facts.testing.ts";
import type { HostFacts } from "./host-facts.ts";
import { planFix } from "./plan-fix.ts";
import { planUndo } from "./plan-undo.ts";
import type { Role } from "./setting.ts";
import { parseAssignment, parseSysctlFile, renderSysctlFile, type SysctlFile } from "./sysctl-file.ts";

const l4 = new Set<Role>(["l4"]);
const nothing: ReadonlySet<string> = new Set();

function plan(facts: HostFacts, earlier?: SysctlFile, loosen = nothing, roles: ReadonlySet<Role> = l4) {
	return planFix(checkHost(facts, roles), facts, earlier, loosen);
}

function afterwards(facts: HostFacts, writes: readonly { key: string; value: string }[]): HostFacts {
	return { ...facts, sysctls: new Map([...facts.sysctls, ...writes.map(({ key, value }) => [key, value] as const)]) };
}

const untuned = goodFacts(
	{},
	{
		"net/ipv4/ip_forward": "0",
		"net/ipv4/conf/all/forwarding": "0",
		"net/ipv4/conf/eth0/forwarding": "0",
		"net/ipv4/conf/all/accept_redirects": "1",
		"net/netfilter/nf_conntrack_tcp_timeout_close_wait": "60",
		"net/ipv4/ip_local_port_range": "20000 60999",
	},
);

describe("a fix", () => {
	it("is a file with the old values in it", () => {
		assert.equal(
			plan(untuned).text,
			`# Written by keepmesh check --fix. The way back: keepmesh check --undo
# It reads the old values out of the comments; other lines are left as they are.

# before: net.ipv4.ip_forward = 0
net.ipv4.ip_forward = 1

# before: net.ipv4.ip_local_port_range = 20000 60999
net.ipv4.ip_local_port_range = 32768 60999

# before: net.netfilter.nf_conntrack_tcp_timeout_close_wait = 60
net.netfilter.nf_conntrack_tcp_timeout_close_wait = 3600

# before, changed along: net.ipv4.conf.all.forwarding = 0
# before, changed along: net.ipv4.conf.eth0.forwarding = 0
# before, changed along: net.ipv4.conf.all.accept_redirects = 1
`,
		);
	});

	it("says what it means that a machine forwards", () => {
		assert.match(plan(untuned).remarks.join("\n"), /net\.ipv4\.ip_forward = 1: the machine passes packets on/);
	});

	it("done a second time changes neither the file nor a value", () => {
		const first = plan(untuned);
		const fixed = afterwards(untuned, first.writes);
		const second = plan(fixed, parseSysctlFile(first.text));
		assert.deepEqual([second.text, second.writes], [first.text, []]);
	});

	it("for another role keeps what was fixed before, with the values from before the first fix", () => {
		const first = plan(untuned);
		const fixed = { ...afterwards(untuned, first.writes) };
		const worse = afterwards(fixed, [
			{ key: "net/ipv4/conf/all/promote_secondaries", value: "0" },
			{ key: "net/ipv4/ip_forward", value: "0" },
		]);
		const second = plan(worse, parseSysctlFile(first.text), nothing, new Set(["l4", "vip"]));
		assert.match(second.text, /^# before: net\.ipv4\.conf\.all\.promote_secondaries = 0\nnet/m);
		assert.match(second.text, /^# before: net\.netfilter\.nf_conntrack_tcp_timeout_close_wait = 60$/m);
		assert.deepEqual(
			second.writes.map(({ key }) => key),
			["net/ipv4/ip_forward", "net/ipv4/conf/all/promote_secondaries"],
		);
	});

	it("opens nothing that is not named, and says how", () => {
		const strict = goodFacts(
			{ uses: new Set(["asymmetric"]) },
			{ "net/ipv4/conf/all/rp_filter": "1", "net/netfilter/nf_conntrack_tcp_loose": "0" },
		);
		const careful = plan(strict);
		assert.deepEqual(careful.writes, []);
		assert.match(
			careful.remarks.join("\n"),
			/nf_conntrack_tcp_loose stays 0, because .*--loosen net\.netfilter\.nf_conntrack_tcp_loose/,
		);
		const named = plan(
			strict,
			undefined,
			new Set(["net.netfilter.nf_conntrack_tcp_loose", "net.ipv4.conf.all.rp_filter"]),
		);
		assert.deepEqual(
			named.writes.map(({ key, value }) => `${key}=${value}`),
			["net/ipv4/conf/all/rp_filter=2", "net/netfilter/nf_conntrack_tcp_loose=1"],
		);
		assert.match(named.remarks.join("\n"), /from now on packets with forged sources/);
	});

	it("leaves what is right for some machines only", () => {
		assert.deepEqual(plan(goodFacts()).writes, []);
		const named = plan(goodFacts(), undefined, new Set(["net.netfilter.nf_conntrack_tcp_be_liberal"]));
		assert.equal(named.writes.length, 1);
	});

	it("switches forwarding on before it sets what that would change", () => {
		const keys = plan(untuned).file.values.map(({ key }) => key);
		assert.equal(keys[0], "net/ipv4/ip_forward");
	});

	it("names the file that would take a value back when the machine starts", () => {
		const line = (file: string) => ({ file, key: "net/ipv4/ip_forward", value: "0" });
		const remarks = (file: string) => plan({ ...untuned, sysctlFiles: [line(file)] }).remarks.join("\n");
		assert.match(
			remarks("/etc/sysctl.d/99-hardening.conf"),
			/99-hardening\.conf sets net\.ipv4\.ip_forward to 0 after us/,
		);
		assert.match(remarks("/etc/sysctl.conf"), /sysctl\.conf sets/);
		assert.doesNotMatch(remarks("/usr/lib/sysctl.d/50-default.conf"), /50-default/);
	});
});

describe("the way back", () => {
	const first = plan(untuned);
	const file = parseSysctlFile(first.text);
	assert.ok(file);

	it("gives every value back, and what the kernel changed along", () => {
		// As Linux does it: the switch sets every interface's, and stops accepting redirects.
		const fixed = afterwards(untuned, [
			...first.writes,
			{ key: "net/ipv4/conf/all/forwarding", value: "1" },
			{ key: "net/ipv4/conf/eth0/forwarding", value: "1" },
			{ key: "net/ipv4/conf/all/accept_redirects", value: "0" },
		]);
		const undo = planUndo(file, fixed.sysctls);
		assert.deepEqual(afterwards(fixed, undo.writes).sysctls, untuned.sysctls);
		assert.deepEqual(undo.remarks, []);
	});

	it("leaves a value that somebody has changed since, and says so", () => {
		const fixed = afterwards(untuned, [
			...first.writes,
			{ key: "net/netfilter/nf_conntrack_tcp_timeout_close_wait", value: "900" },
		]);
		const undo = planUndo(file, fixed.sysctls);
		assert.ok(!undo.writes.some(({ key }) => key.endsWith("close_wait")));
		assert.match(undo.remarks.join("\n"), /close_wait stays 900: it was changed after the fix/);
	});

	it("has nothing to do where the values are the old ones again", () => {
		assert.deepEqual(planUndo(file, untuned.sysctls), { writes: [], remarks: [] });
	});

	it("passes over an interface that is gone", () => {
		const fixed = afterwards(untuned, first.writes);
		const without = new Map([...fixed.sysctls].filter(([key]) => !key.includes("/eth0/")));
		assert.ok(!planUndo(file, without).writes.some(({ key }) => key.includes("eth0")));
	});
});

describe("the file", () => {
	it("reads back as it was written", () => {
		const file: SysctlFile = {
			values: [{ key: "net/ipv4/ip_local_port_range", value: "32768 60999", before: "1024 65535" }],
			sideEffects: [{ key: "net/ipv4/conf/eth0.5/forwarding", before: "0" }],
		};
		assert.deepEqual(parseSysctlFile(renderSysctlFile(file)), file);
	});

	it("of somebody else is not taken for ours", () => {
		assert.equal(parseSysctlFile("net.ipv4.ip_forward = 1\n"), undefined);
	});

	it("has lines as sysctl.d takes them", () => {
		assert.deepEqual(parseAssignment("-net/ipv4/conf/eth0.5/rp_filter=2"), {
			key: "net/ipv4/conf/eth0.5/rp_filter",
			value: "2",
		});
		assert.deepEqual(parseAssignment("net.ipv4.conf.eth0/5.rp_filter = 2"), {
			key: "net/ipv4/conf/eth0.5/rp_filter",
			value: "2",
		});
		for (const line of ["", "# net.ipv4.ip_forward = 1", "; x = 1", "-net.ipv4.ip_forward", "nonsense"])
			assert.equal(parseAssignment(line), undefined, line);
	});
});

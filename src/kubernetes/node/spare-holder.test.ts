// The spare's process is put where the agent's container does not take it along: with cgroup v1 and v2, as runtimes lay them out.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { Log } from "../../runtime/log.ts";
import { SpareHolder } from "./spare-holder.ts";

const pod = "5b1f0a34-1111-4222-8333-9c3a1e0d7f10";
const spare = 4711;
/** It has to run: the test itself. */
const holder = process.pid;

describe("the spare's holder", () => {
	let proc = "";
	let said: string[] = [];
	const say = (_: object, text: string): number => said.push(text);
	const log = { info: say, warn: say } as unknown as Log;
	beforeEach(() => {
		proc = mkdtempSync(join(tmpdir(), "holder-"));
		said = [];
	});
	afterEach(() => rmSync(proc, { recursive: true, force: true }));

	const write = (path: string, text: string): void => {
		mkdirSync(dirname(join(proc, path)), { recursive: true });
		writeFileSync(join(proc, path), text);
	};
	const members = (group: string): string =>
		readFileSync(join(proc, "1/root/sys/fs/cgroup", group, "cgroup.procs"), "utf8");
	const put = (pid: number | "self", groups: readonly string[], command = ""): void => {
		write(`${pid}/cgroup`, `${groups.join("\n")}\n`);
		write(`${pid}/cmdline`, command.replaceAll(" ", "\0"));
	};
	const group = (path: string, ...pids: readonly number[]): void =>
		write(`1/root/sys/fs/cgroup/${path}/cgroup.procs`, pids.map((pid) => `${pid}\n`).join(""));
	const script = "/bin/sh /opt/keepmesh/src/kubernetes/node/spare-holder.sh";

	it("is in each hierarchy of cgroup v1 that kubelet keeps pods in", () => {
		const own = (of: string) => [
			`2:cpu,cpuacct:/kubepods/burstable/pod${pod}/${of}`,
			`1:name=systemd:/kubepods/burstable/pod${pod}/${of}`,
			"0::/system.slice/containerd.service",
		];
		const mount = "32 31 0:29 / /sys/fs/cgroup";
		write(
			"1/mountinfo",
			`${mount}/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n${mount}/systemd rw - cgroup cgroup rw,name=systemd\n`,
		);
		put("self", own("agent"));
		put(spare, own("agent"));
		put(holder, own("holder"), script);
		for (const hierarchy of ["cpu,cpuacct", "systemd"]) {
			group(`${hierarchy}/kubepods/burstable/pod${pod}`);
			group(`${hierarchy}/kubepods/burstable/pod${pod}/agent`, spare);
			group(`${hierarchy}/kubepods/burstable/pod${pod}/holder`, holder);
		}
		const one = new SpareHolder({ log, proc });
		one.hold(spare);
		one.hold(spare);
		for (const hierarchy of ["cpu,cpuacct", "systemd"])
			assert.equal(members(`${hierarchy}/kubepods/burstable/pod${pod}/holder`), String(spare));
		assert.deepEqual(said, ["the spare outlives the agent's container"]);
	});

	it("is found in systemd's slices of cgroup v2, in a group within its container's, when it begins later than the spare", () => {
		const slice = `kubepods.slice/kubepods-pod${pod.replaceAll("-", "_")}.slice`;
		write("1/mountinfo", "24 23 0:22 /outer /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n");
		put("self", [`0::/outer/${slice}/crio-agent.scope/container`]);
		put(spare, [`0::/outer/${slice}/crio-agent.scope/container`]);
		group(slice);
		group(`${slice}/crio-agent.scope/container`, spare);
		const one = new SpareHolder({ log, proc });
		one.hold(spare);
		put(holder, [`0::/outer/${slice}/crio-holder.scope/container`], script);
		group(`${slice}/crio-holder.scope`);
		group(`${slice}/crio-agent.scope`);
		group(`${slice}/crio-holder.scope/container`, holder);
		one.hold(spare);
		assert.equal(members(`${slice}/crio-holder.scope/container`), String(spare));
		assert.deepEqual(said, [
			"the spare would end with the agent's container",
			"the spare outlives the agent's container",
		]);
	});

	it("is one of the agent's own pod", () => {
		const other = pod.replace("5", "6");
		write("1/mountinfo", "24 23 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
		put("self", [`0::/kubepods/pod${pod}/agent`]);
		put(spare, [`0::/kubepods/pod${pod}/agent`]);
		put(holder, [`0::/kubepods/pod${other}/holder`], script);
		group(`kubepods/pod${pod}`);
		group(`kubepods/pod${pod}/agent`, spare);
		group(`kubepods/pod${other}`);
		group(`kubepods/pod${other}/holder`, holder);
		new SpareHolder({ log, proc }).hold(spare);
		assert.equal(members(`kubepods/pod${other}/holder`), `${holder}\n`);
		assert.deepEqual(said, ["the spare would end with the agent's container"]);
	});
});

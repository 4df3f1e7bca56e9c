import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { machineCgroup, readHierarchies, whyNotThese } from "./cgroup-directories.ts";

const version1 = `12:cpu,cpuacct:/user
4:memory:/a:b
3:cpuset:/
2:pids,devices:/
5:freezer:/
1:name=systemd:/init
0::/
`;

describe("cgroup hierarchies", () => {
	it("are told with the directory and the mount options of each", () => {
		assert.deepEqual(
			readHierarchies(version1).map(({ directory, mountOptions }) => [directory, mountOptions]),
			[
				["cpu,cpuacct", "cpu,cpuacct"],
				["memory", "memory"],
				["cpuset", "cpuset"],
				["pids,devices", "pids,devices"],
				["freezer", "freezer"],
				["systemd", "none,name=systemd"],
				["unified", undefined],
			],
		);
	});

	it("hold a machine below this process's own place", () => {
		const [processors, memory, cpuset] = readHierarchies(version1).map((hierarchy) =>
			machineCgroup(hierarchy, "kl1-n1"),
		);
		assert.equal(processors, "/sys/fs/cgroup/cpu,cpuacct/user/kl1-n1");
		assert.equal(memory, "/sys/fs/cgroup/memory/a:b/kl1-n1");
		assert.equal(cpuset, "/sys/fs/cgroup/cpuset/kl1-n1");
	});

	it("serve when version 1 has the controllers, and say what is missing when not", () => {
		assert.equal(whyNotThese(readHierarchies(version1)), undefined);
		assert.match(whyNotThese(readHierarchies("0::/\n")) ?? "", /version 1 with the controllers cpu, cpuset, memory/);
	});
});

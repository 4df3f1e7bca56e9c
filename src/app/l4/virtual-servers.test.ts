import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { runVirtualServers } from "./virtual-servers.testing.ts";

const server = (
	parts: { server?: string; real?: string; check?: string; addresses?: readonly string[] } = {},
): string => `
virtual_server 192.0.2.1 80 {
	lvs_sched wrr
	protocol TCP
	delay_loop 10
	${parts.server ?? ""}
	${(parts.addresses ?? ["10.0.0.1", "10.0.0.2"])
		.map(
			(address) => `real_server ${address} 8080 {
		${parts.real ?? ""}
		${parts.check ?? "TCP_CHECK { }"}
	}`,
		)
		.join("\n")}
}`;
const both = "10.0.0.1=1 10.0.0.2=1";

describe("real servers and their checks", () => {
	it("take connections from the start, before anything was checked", () => {
		const run = runVirtualServers(server());
		assert.equal(run.pool(), both);
		assert.deepEqual(run.asked, []);
	});
	it("are first checked a second after the start, plus the warm-up, which ends at the delay loop unless told", async () => {
		const early = runVirtualServers(server());
		await early.seconds(1);
		assert.deepEqual(early.asked, ["1 10.0.0.1", "1 10.0.0.2"]);
		const late = runVirtualServers(server(), { random: 0.5 });
		await late.seconds(7);
		assert.deepEqual(late.asked, ["6 10.0.0.1", "6 10.0.0.2"]);
		const none = runVirtualServers(server({ server: "warmup 0" }), { random: 0.5 });
		await none.seconds(1);
		assert.deepEqual(none.asked, ["1 10.0.0.1", "1 10.0.0.2"]);
	});
	it("leave after the first failure and each retry, delay_before_retry apart", async () => {
		const run = runVirtualServers(server({ server: "retry 2\n delay_before_retry 3", addresses: ["10.0.0.1"] }));
		run.answer("10.0.0.1", false);
		await run.seconds(6.5);
		assert.equal(run.pool(), "10.0.0.1=1");
		await run.seconds(0.5);
		assert.equal(run.pool(), "reject");
		await run.seconds(13);
		assert.deepEqual(run.asked, ["1 10.0.0.1", "4 10.0.0.1", "7 10.0.0.1", "17 10.0.0.1"]);
	});
	it("come back with the first success, and forget failures between successes", async () => {
		const run = runVirtualServers(server({ addresses: ["10.0.0.1"] }));
		run.answer("10.0.0.1", false);
		await run.seconds(1);
		run.answer("10.0.0.1", true);
		await run.seconds(1);
		run.answer("10.0.0.1", false);
		await run.seconds(10);
		assert.equal(run.pool(), "10.0.0.1=1", "one failure, one success, one failure");
		await run.seconds(1);
		assert.equal(run.pool(), "reject");
		run.answer("10.0.0.1", true);
		await run.seconds(10);
		assert.equal(run.pool(), "10.0.0.1=1");
	});
	it("need all of their checks", async () => {
		const run = runVirtualServers(
			server({ addresses: ["10.0.0.1"], server: "retry 0", check: "TCP_CHECK { }\n MISC_CHECK { misc_path /check }" }),
		);
		for (const [tcp, misc, pool] of [
			[true, true, "10.0.0.1=1"],
			[false, true, "reject"],
			[false, false, "reject"],
			[true, false, "reject"],
			[true, true, "10.0.0.1=1"],
		] as const) {
			run.answer("10.0.0.1 tcp", tcp);
			run.answer("10.0.0.1 misc", misc ? 0 : 1);
			await run.seconds(10);
			assert.equal(run.pool(), pool);
			const checks = run.running.status()[0]?.realServers[0]?.checks.map(({ ok }) => ok);
			assert.deepEqual(checks, [tcp, misc]);
		}
	});
	it("without a check are always there", async () => {
		const run = runVirtualServers(server({ check: "weight 3" }));
		await run.seconds(100);
		assert.equal(run.pool(), "10.0.0.1=3 10.0.0.2=3");
	});
	it("count as down with alpha until a check is good", async () => {
		const run = runVirtualServers(server({ server: "alpha" }));
		run.answer("10.0.0.2", false);
		assert.equal(run.pool(), "reject");
		await run.seconds(1);
		assert.equal(run.pool(), "10.0.0.1=1");
	});
	it("keep weight 0 with inhibit_on_failure instead of leaving", async () => {
		const run = runVirtualServers(server({ server: "inhibit_on_failure\n retry 0" }));
		run.answer("10.0.0.2", false);
		await run.seconds(1);
		assert.equal(run.pool(), "10.0.0.1=1 10.0.0.2=0");
	});
	it("run notify_up and notify_down with what keepalived says of them", async () => {
		const run = runVirtualServers(
			server({ addresses: ["10.0.0.1"], server: "retry 0", real: 'notify_up "/up a"\n notify_down /down' }),
		);
		assert.deepEqual(run.told(), ["VS [192.0.2.1]:tcp:80 UP"]);
		run.answer("10.0.0.1", false);
		await run.seconds(1);
		assert.deepEqual(run.told(), [
			"RS [10.0.0.1]:tcp:8080 [192.0.2.1]:tcp:80 DOWN /down",
			"VS [192.0.2.1]:tcp:80 DOWN",
		]);
		run.answer("10.0.0.1", true);
		await run.seconds(10);
		assert.deepEqual(run.told(), ["RS [10.0.0.1]:tcp:8080 [192.0.2.1]:tcp:80 UP /up a", "VS [192.0.2.1]:tcp:80 UP"]);
	});
	it("run notify_up at the start only with rs_init_notifies", () => {
		const quiet = runVirtualServers(server({ real: "notify_up /up" }));
		assert.deepEqual(quiet.told(), ["VS [192.0.2.1]:tcp:80 UP"]);
		const loud = runVirtualServers(
			`global_defs { rs_init_notifies }\n${server({ addresses: ["10.0.0.1"], real: "notify_up /up" })}`,
		);
		assert.deepEqual(loud.told(), ["RS [10.0.0.1]:tcp:8080 [192.0.2.1]:tcp:80 UP /up", "VS [192.0.2.1]:tcp:80 UP"]);
	});
});

describe("scripts and files say the weight", () => {
	const misc = server({
		addresses: ["10.0.0.1"],
		real: "weight 5",
		check: "MISC_CHECK { misc_path /check\n misc_dynamic }",
	});
	it("an exit code from 2 to 255 is the weight plus 2, 0 leaves it as it is, 1 is a failure and forgets it", async () => {
		const run = runVirtualServers(misc);
		for (const [exitCode, pool] of [
			[0, "10.0.0.1=5"],
			[12, "10.0.0.1=10"],
			[2, "10.0.0.1=0"],
			[255, "10.0.0.1=253"],
			[0, "10.0.0.1=253"],
			[1, "reject"],
			[0, "10.0.0.1=5"],
			[3, "10.0.0.1=1"],
		] as const) {
			run.answer("10.0.0.1", exitCode);
			await run.seconds(10);
			assert.equal(run.pool(), pool, `after exit code ${exitCode}`);
		}
	});
	it("without misc_dynamic every code but 0 is a failure", async () => {
		const run = runVirtualServers(misc.replace("misc_dynamic", ""));
		run.answer("10.0.0.1", 12);
		await run.seconds(1);
		assert.equal(run.pool(), "reject");
	});
	it("several scripts on one server add up", async () => {
		const run = runVirtualServers(
			server({
				addresses: ["10.0.0.1"],
				real: "weight 5",
				check: "MISC_CHECK { misc_path /a\n misc_dynamic }\n MISC_CHECK { misc_path /b\n misc_dynamic }",
			}),
		);
		run.answer("10.0.0.1", 12);
		await run.seconds(1);
		assert.equal(run.pool(), "10.0.0.1=15");
	});
	it("a file's number times the weight is added, and with weight 0 a number other than 0 is a failure", async (t) => {
		const directory = mkdtempSync(join(tmpdir(), "keepmesh-files-"));
		t.after(() => rmSync(directory, { recursive: true, force: true }));
		const file = join(directory, "number");
		const run = runVirtualServers(`
track_file number {
	file ${file}
	weight 3
	init_file 2
}
virtual_server 192.0.2.1 80 {
	protocol TCP
	real_server 10.0.0.1 80 {
		weight 4
		FILE_CHECK { track_file number }
	}
	real_server 10.0.0.2 80 {
		FILE_CHECK {
			track_file number
			weight 0
		}
	}
	real_server 10.0.0.3 80 {
		FILE_CHECK {
			track_file number
			weight 1 reverse
		}
	}
}`);
		// What watches the file would keep this process alive.
		t.after(() => run.running.close());
		const pools: string[] = [run.pool()];
		for (const number of ["0", "-1", "1000"]) {
			writeFileSync(file, number);
			await run.seconds(1);
			pools.push(run.pool());
		}
		assert.deepEqual(pools, [
			"10.0.0.1=10 10.0.0.3=0",
			"10.0.0.1=4 10.0.0.2=1 10.0.0.3=1",
			"10.0.0.1=1 10.0.0.3=2",
			"10.0.0.1=3004 10.0.0.3=0",
		]);
	});
	it("a weight that a script lowers may cost the quorum", async () => {
		const run = runVirtualServers(misc.replace("delay_loop 10", "delay_loop 10\n quorum 4\n quorum_down /lost"));
		run.answer("10.0.0.1", 5);
		await run.seconds(1);
		assert.deepEqual(run.told(), ["VS [192.0.2.1]:tcp:80 UP", "VS [192.0.2.1]:tcp:80 DOWN /lost"]);
	});
});

describe("several urls of HTTP_GET", () => {
	const http = (more = "") =>
		server({ addresses: ["10.0.0.1"], check: `HTTP_GET { ${more}\n url { path /a }\n url { path /b }\n }` });
	it("are asked one after the other, a delay loop apart", async () => {
		const run = runVirtualServers(http());
		await run.seconds(25);
		assert.deepEqual(run.asked, ["1 10.0.0.1/a", "11 10.0.0.1/b", "21 10.0.0.1/a"]);
	});
	it("ask the failed one alone until it is good, then all of them again", async () => {
		const run = runVirtualServers(http("retry 0\n delay_loop 4"));
		run.answer("10.0.0.1/b", false);
		await run.seconds(10);
		assert.equal(run.pool(), "reject");
		run.answer("10.0.0.1/b", true);
		await run.seconds(3);
		assert.equal(run.pool(), "reject", "the failed url alone is not enough");
		await run.seconds(8);
		assert.equal(run.pool(), "10.0.0.1=1");
		assert.deepEqual(run.asked, [
			"1 10.0.0.1/a",
			"5 10.0.0.1/b",
			"9 10.0.0.1/b",
			"13 10.0.0.1/b",
			"17 10.0.0.1/a",
			"21 10.0.0.1/b",
		]);
	});
	it("with fast_recovery are asked without a pause until the server is back", async () => {
		const run = runVirtualServers(http("fast_recovery\n alpha"));
		await run.seconds(1.2);
		assert.equal(run.pool(), "10.0.0.1=1");
		assert.deepEqual(run.asked.length, 2);
	});
});

describe("the quorum", () => {
	const three = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];
	it("is lost below quorum minus hysteresis, and won at quorum plus hysteresis", async () => {
		const run = runVirtualServers(
			server({
				addresses: [...three, "10.0.0.4"],
				server: "quorum 2\n hysteresis 1\n retry 0\n quorum_up /up\n quorum_down /down",
			}),
		);
		assert.deepEqual(run.told(), ["VS [192.0.2.1]:tcp:80 UP /up"]);
		const quorums = async (address: string, good: boolean): Promise<readonly string[]> => {
			run.answer(address, good);
			await run.seconds(10);
			return run.told().filter((line) => line.startsWith("VS"));
		};
		assert.deepEqual(await quorums("10.0.0.1", false), []);
		assert.deepEqual(await quorums("10.0.0.2", false), []);
		assert.deepEqual(await quorums("10.0.0.3", false), [], "one is left: 2 - 1 is reached");
		assert.deepEqual(await quorums("10.0.0.4", false), ["VS [192.0.2.1]:tcp:80 DOWN /down"]);
		assert.deepEqual(await quorums("10.0.0.1", true), []);
		assert.deepEqual(await quorums("10.0.0.2", true), [], "two are back: 2 + 1 is not reached");
		assert.deepEqual(await quorums("10.0.0.3", true), ["VS [192.0.2.1]:tcp:80 UP /up"]);
	});
	it("that is lost leaves those who are alive in place when there is no sorry server", async () => {
		const run = runVirtualServers(server({ server: "quorum 2\n retry 0" }));
		run.answer("10.0.0.1", false);
		await run.seconds(1);
		assert.equal(run.pool(), "10.0.0.2=1");
	});
	it("that is lost puts the sorry server in the place of all others, also of those who are alive", async () => {
		const run = runVirtualServers(server({ server: "quorum 2\n retry 0\n sorry_server 10.0.0.9 80" }));
		assert.equal(run.pool(), both);
		run.answer("10.0.0.1", false);
		await run.seconds(1);
		assert.equal(run.pool(), "10.0.0.9=1");
		run.answer("10.0.0.1", true);
		await run.seconds(10);
		assert.equal(run.pool(), both);
	});
	it("has its sorry server from the start with alpha, until enough were found good", async () => {
		const run = runVirtualServers(server({ server: "alpha\n sorry_server 10.0.0.9 80" }));
		assert.equal(run.pool(), "10.0.0.9=1");
		await run.seconds(1);
		assert.equal(run.pool(), both);
	});
	it("keeps a sorry server with sorry_server_inhibit in the table, without new connections", () => {
		const run = runVirtualServers(server({ server: "sorry_server 10.0.0.9 80\n sorry_server_inhibit" }));
		assert.equal(run.pool(), `${both} 10.0.0.9=0`);
	});
	it("with inhibit_on_failure leaves servers at weight 0 beside the sorry server", async () => {
		const run = runVirtualServers(server({ server: "retry 0\n inhibit_on_failure\n sorry_server 10.0.0.9 80" }));
		run.answer("10.0.0.1", false);
		run.answer("10.0.0.2", false);
		await run.seconds(1);
		assert.equal(run.pool(), "10.0.0.1=0 10.0.0.2=0 10.0.0.9=1");
	});
});

describe("ha_suspend", () => {
	it("checks only while the address is on this machine, and at once when it comes", async () => {
		const run = runVirtualServers(server({ addresses: ["10.0.0.1"], server: "ha_suspend" }));
		run.setOwnAddresses("192.0.2.7");
		await run.seconds(30);
		assert.deepEqual(run.asked, []);
		assert.equal(run.running.status()[0]?.suspended, true);
		run.setOwnAddresses("192.0.2.7", "192.0.2.1");
		await run.seconds(0.1);
		assert.deepEqual(run.asked.length, 1);
		run.setOwnAddresses("192.0.2.7");
		await run.seconds(30);
		assert.deepEqual(run.asked.length, 1);
	});
	it("leaves the state of servers as it was while checks rest", async () => {
		const run = runVirtualServers(server({ server: "ha_suspend\n retry 0" }));
		run.answer("10.0.0.1", false);
		await run.seconds(1);
		run.setOwnAddresses();
		run.answer("10.0.0.1", true);
		await run.seconds(100);
		assert.equal(run.pool(), "10.0.0.2=1");
	});
});

describe("a stop", () => {
	it("removes everything and tells nobody", () => {
		const run = runVirtualServers(server({ real: "notify_down /down", server: "quorum_down /lost" }));
		run.told();
		run.running.close();
		assert.equal(run.pool(), "gone");
		assert.deepEqual(run.told(), []);
	});
	it("with omega says that servers and quorum are gone", () => {
		const run = runVirtualServers(
			server({ addresses: ["10.0.0.1"], real: "notify_down /down", server: "omega\n quorum_down /lost" }),
		);
		run.told();
		run.running.close();
		assert.deepEqual(run.told(), [
			"RS [10.0.0.1]:tcp:8080 [192.0.2.1]:tcp:80 DOWN /down",
			"VS [192.0.2.1]:tcp:80 DOWN /lost",
		]);
	});
	it("leaves no timer behind, and keeps what is in the kernel when told", async () => {
		const run = runVirtualServers(server());
		await run.seconds(5);
		run.running.close({ keepRules: true });
		assert.equal(run.clock.armed, 0);
		assert.equal(run.pool(), both);
	});
});

describe("a reload", () => {
	it("keeps a server that is down down, and its timers where they are", async () => {
		const run = runVirtualServers(server({ server: "retry 0" }));
		run.answer("10.0.0.1", false);
		await run.seconds(5);
		run.reload(server({ server: "retry 0\n quorum_down /new" }));
		assert.equal(run.pool(), "10.0.0.2=1");
		await run.seconds(7);
		assert.deepEqual(run.asked.slice(2), ["11 10.0.0.1", "11 10.0.0.2"]);
	});
	it("that changes nothing changes nothing", async () => {
		const run = runVirtualServers(server({ server: "retry 0" }));
		run.answer("10.0.0.1", false);
		await run.seconds(5);
		run.told();
		run.reload(server({ server: "retry 0" }));
		assert.deepEqual(run.told(), []);
		assert.equal(run.pool(), "10.0.0.2=1");
	});
	it("takes servers out with notify_down, and new ones in, pessimistically with alpha", async () => {
		const run = runVirtualServers(server({ real: "notify_down /down" }));
		await run.seconds(5);
		run.told();
		run.reload(server({ addresses: ["10.0.0.2", "10.0.0.3"], server: "alpha", real: "notify_down /down" }));
		assert.deepEqual(run.told(), ["RS [10.0.0.1]:tcp:8080 [192.0.2.1]:tcp:80 DOWN /down"]);
		assert.equal(run.pool(), "10.0.0.2=1");
		await run.seconds(1);
		assert.equal(run.pool(), "10.0.0.2=1 10.0.0.3=1");
	});
	it("a new weight is there at once", async () => {
		const run = runVirtualServers(server());
		run.reload(server({ real: "weight 7" }));
		assert.equal(run.pool(), "10.0.0.1=7 10.0.0.2=7");
	});
	it("brings a server back whose failed check is gone", async () => {
		const run = runVirtualServers(server({ server: "retry 0" }));
		run.answer("10.0.0.1", false);
		await run.seconds(1);
		run.reload(server({ server: "retry 0", check: "PING_CHECK { }" }));
		assert.equal(run.pool(), both);
	});
	it("takes a virtual server out, and says that its quorum is lost", async () => {
		const run = runVirtualServers(server({ server: "quorum_down /lost" }));
		run.told();
		run.reload(server().replace("192.0.2.1", "192.0.2.2"));
		assert.deepEqual([...run.balancers.keys()], ["virtual_server 192.0.2.2 80 TCP"]);
		assert.ok(run.told().includes("VS [192.0.2.1]:tcp:80 DOWN /lost"));
		await run.seconds(1);
		assert.deepEqual(run.asked, ["1 10.0.0.1", "1 10.0.0.2"], "the old one's checks are gone");
	});
});

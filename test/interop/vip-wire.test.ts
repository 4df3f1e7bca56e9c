// What Keepmesh puts on the cable is what keepalived puts there from the same file, byte for byte; and the two files of the
// field run on the wire.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { cannotRun } from "../../src/node/namespace-rig.testing.ts";
import { captureCable, type Frame, withoutCounters } from "./vip-capture.ts";
import { type ConfOptions, conf, vip4, vip6 } from "./vip-conf.ts";
import { missing, root, startMs, VipLan, warmUp } from "./vip-lan.ts";
import { type Program, slackMs } from "./vip-node.ts";

interface Trial {
	readonly conf: ConfOptions;
	readonly address?: string;
	readonly downMs?: number;
	/** Byte of the frame in which Keepmesh differs on purpose. */
	readonly butFor?: number;
}

const authentication = (type: "PASS" | "AH"): readonly string[] => [
	"authentication {",
	`  auth_type ${type}`,
	"  auth_pass geheim",
	"}",
];
const unicast4 = ["unicast_src_ip 10.77.0.2", "unicast_peer {", "  10.77.0.60", "}"];
const unicast6 = ["unicast_src_ip fd77::2", "unicast_peer {", "  fd77::60", "}"];
const version2 = { version: 2 } as const;

const trials: Readonly<Record<string, Trial>> = {
	"version 3 over IPv4": { conf: { priority: 150 } },
	"version 3 over IPv4, unicast": { conf: { more: unicast4 } },
	"version 3 over IPv4, from another source": { conf: { more: ["mcast_src_ip 10.77.0.2"] } },
	"version 3 over IPv4, a virtual MAC": { conf: { more: ["use_vmac"] } },
	"version 3 over IPv4, a virtual MAC for the address alone": { conf: { more: ["use_vmac", "vmac_xmit_base"] } },
	"version 3 over IPv4, addresses outside the adverts": {
		conf: { more: ["virtual_ipaddress_excluded {", "  10.77.0.101/24 dev eth0", "  fd77::101/64 dev eth0", "}"] },
	},
	"version 3 over IPv4, three addresses each 250 ms": {
		conf: { advert: "0.25", addresses: ["10.77.0.100/24", "10.77.0.9/24", "10.77.0.55/32"] },
		downMs: 1000,
	},
	"version 3 over IPv6": { conf: { family: "ipv6" }, address: vip6 },
	// keepalived leaves the hop limit at 64; with 255 receivers can tell that no router was in between.
	"version 3 over IPv6, unicast": { conf: { family: "ipv6", more: unicast6 }, address: vip6, butFor: 21 },
	"version 3 over IPv6, a virtual MAC": { conf: { family: "ipv6", more: ["use_vmac"] }, address: vip6 },
	"version 2": { conf: version2, downMs: 3610 },
	"version 2, a password": { conf: { ...version2, more: authentication("PASS") }, downMs: 3610 },
	"version 2, an authentication header": { conf: { ...version2, more: authentication("AH") }, downMs: 3610 },
	"version 2, an authentication header, unicast": {
		conf: { ...version2, more: [...authentication("AH"), ...unicast4] },
		downMs: 3610,
	},
};

const here = cannotRun ?? missing("keepalived") ?? missing("tcpdump");

describe("on the cable", { skip: here ?? false, concurrency: 6 }, () => {
	before(warmUp);

	for (const [name, { conf: options, address = vip4, downMs = 361, butFor }] of Object.entries(trials))
		it(`${name}: the same bytes as keepalived's`, async (context) => {
			const lan = new VipLan();
			context.after(() => lan.close());
			const node = lan.addNode("a");
			// Unicast finds its way.
			lan.client.exec("true");
			const capture = await captureCable(lan, node);
			const run = async (program: Program): Promise<readonly Frame[]> => {
				capture.clear();
				node.start(program, conf(options));
				await lan.untilOwner(address, "a", downMs + startMs);
				const count = (kind: Frame["kind"]) => capture.frames.filter((frame) => frame.kind === kind).length;
				await lan.until("two adverts and a burst", () => count("advert") >= 2 && count("announcement") >= 5, 2500);
				await node.stop();
				const frames = [...capture.frames];
				assert.ok(count("announcement") % 5 === 0, `${count("announcement")} announcements`);
				return frames;
			};
			const theirs = await run("keepalived");
			const ours = await run("keepmesh");
			const distinct = (frames: readonly Frame[], kind: Frame["kind"]) =>
				[
					...new Set(frames.filter((frame) => frame.kind === kind).map((frame) => withoutCounters(frame, butFor))),
				].sort();
			for (const kind of ["advert", "announcement"] as const)
				assert.deepEqual(distinct(ours, kind), distinct(theirs, kind), kind);
		});
});

const inputs = join(root, "../shared/inputs/keepalived");
const fieldFiles = ["article-multicast", "article-unicast"].map((name) => join(inputs, `keepalived.conf.${name}`));
const noFiles = fieldFiles.every((file) => existsSync(file)) ? undefined : "the files of the field are not there";

describe("files from the field", { skip: here ?? noFiles ?? false, concurrency: 2 }, () => {
	for (const file of fieldFiles)
		it(`${file.replace(/.*conf\./, "")} runs beside keepalived with its counterpart`, async (context) => {
			const lan = new VipLan();
			context.after(() => lan.close());
			const [a, b] = [lan.addNode("a"), lan.addNode("b")];
			const address = "192.168.1.100";
			a.host.exec("ip", "address", "add", "10.0.0.10/24", "dev", "eth0");
			b.host.exec("ip", "address", "add", "10.0.0.11/24", "dev", "eth0");
			const text = readFileSync(file, "utf8");
			const swapped = text.replace(/10\.0\.0\.1([01])\b/g, (_, last) => `10.0.0.1${last === "0" ? 1 : 0}`);
			a.start("keepmesh", text);
			await lan.untilOwner(address, "a", 3610 + startMs);
			b.start("keepalived", swapped.replace("priority 100", "priority 90"));
			await lan.staysOwner(address, "a", 4000);
			await a.stop();
			await lan.untilOwner(address, "b", 700 + slackMs);
		});
});

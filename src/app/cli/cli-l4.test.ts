// keepmesh l4 as it is typed, on files: what a node's rules would be, who answers, what a connection meets; and trace on a running
// node, with connections that the kernel tracks.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { traceConnection } from "../../l4/services/trace-connection.ts";
import { keepmesh, type Outcome, program } from "./cli.testing.ts";
import { CliError } from "./cli-error.ts";
import { planOffline } from "./l4-offline.ts";
import { connectionOf, renderTrace } from "./l4-trace-command.ts";

const service = (name: string, spec: object, more: object = {}) => ({
	apiVersion: "v1",
	kind: "Service",
	metadata: { name, ...more },
	spec: { selector: { app: name }, ...spec },
});

const slice = (name: string, port: number, portName: string, addresses: Readonly<Record<string, string>>) => ({
	apiVersion: "discovery.k8s.io/v1",
	kind: "EndpointSlice",
	metadata: { name: `${name}-1`, labels: { "kubernetes.io/service-name": name } },
	addressType: "IPv4",
	ports: [{ name: portName, port, protocol: "TCP" }],
	endpoints: Object.entries(addresses).map(([address, nodeName]) => ({ addresses: [address], nodeName })),
});

const web = service("web", { clusterIP: "10.96.0.10", ports: [{ name: "http", port: 80 }] });
const webSlice = slice("web", 8080, "http", { "10.244.1.5": "a", "10.244.2.5": "b" });
const objects = [
	web,
	webSlice,
	{
		...service("shop", {
			type: "LoadBalancer",
			clusterIP: "10.96.0.11",
			externalTrafficPolicy: "Local",
			loadBalancerSourceRanges: ["203.0.113.0/24"],
			ports: [{ name: "https", port: 443, nodePort: 30443 }],
		}),
		status: { loadBalancer: { ingress: [{ ip: "198.51.100.7" }] } },
	},
	slice("shop", 8443, "https", { "10.244.1.9": "a", "10.244.2.9": "b" }),
	service("dns", { clusterIP: "10.96.0.53", ports: [{ port: 53, protocol: "UDP" }] }, { namespace: "kube-system" }),
	service(
		"cart",
		{ clusterIP: "10.96.0.12", ports: [{ port: 9000 }] },
		{ annotations: { "keepmesh.io/l4-scheduler": "maglev" } },
	),
	service("headless", { clusterIP: "None", ports: [{ port: 1 }] }),
];

const yamlOf = (all: readonly object[]): string => all.map((one) => JSON.stringify(one)).join("\n---\n");

describe("keepmesh l4 on files", () => {
	let directory = "";
	let files = "";
	before(() => {
		directory = mkdtempSync(join(tmpdir(), "keepmesh-l4-cli-"));
		files = join(directory, "services.yaml");
		writeFileSync(files, yamlOf(objects));
		writeFileSync(join(directory, "web.yaml"), yamlOf([web, webSlice]));
		writeFileSync(
			join(directory, "config.yaml"),
			"apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: ipvs\nclusterCIDR: 10.244.0.0/16\n",
		);
	});
	after(() => rmSync(directory, { recursive: true, force: true }));
	const l4 = (command: string, ...args: string[]): Promise<Outcome> =>
		keepmesh([
			"l4",
			command,
			...args,
			"-f",
			files,
			"--node",
			"a",
			"--node-address",
			"192.0.2.1",
			"--pod-ranges",
			"10.244.0.0/16",
		]);

	it("plan prints the plan, then the rules", async () => {
		const args = ["l4", "plan", "-f", join(directory, "web.yaml"), "--node", "a"];
		const { code, stdout, stderr } = await keepmesh(args);
		assert.deepEqual([code, stderr], [0, ""]);
		assert.equal(
			stdout.slice(0, stdout.indexOf("\tset cluster-addresses")),
			`default/web:http 10.96.0.10:80/tcp (cluster): random
  client's source kept
    10.244.1.5:8080 here
    10.244.2.5:8080

table ip keepmesh-l4 {
`,
		);
		assert.match(stdout, /\t\telements = { 10\.96\.0\.10 \. tcp \. 80 \. 0 : 10\.244\.1\.5 \. 8080,\n/);
	});

	it("plan prints what nft takes", { skip: cannotUseNft() }, async () => {
		const { stdout } = await l4("plan", "-o", "nft");
		assert.match(stdout, /^table ip keepmesh-l4 {/);
		const checked = promisify(execFile)("nft", ["--check", "--file", "-"]);
		checked.child.stdin?.end(stdout);
		await checked;
	});

	it("plan prints what IPVS would have, as ipvsadm saves it, and the rules beside", async () => {
		const { code, stdout } = await l4("plan", "--backend", "ipvs");
		assert.equal(code, 0);
		assert.match(stdout, /^-A -t 10\.96\.0\.10:80 -s rr\n-a -t 10\.96\.0\.10:80 -r 10\.244\.1\.5:8080 -m -w 1$/m);
		assert.match(stdout, /^local 10\.96\.0\.10 dev lo/m);
		assert.match(stdout, /^table ip keepmesh-l4-ipvs {$/m);
		assert.doesNotMatch(stdout, /^table ip keepmesh-l4 {$/m);
	});

	it("plan prints data: facts, services, tables", async () => {
		const { stdout } = await l4("plan", "-o", "json");
		const plan = JSON.parse(stdout) as {
			node: { name: string };
			backend: string;
			services: { service: { name: string } }[];
			tables: { table: { family: string } }[];
		};
		assert.deepEqual([plan.node.name, plan.backend], ["a", "nftables"]);
		assert.deepEqual(
			plan.services.map(({ service: { name } }) => name),
			["cart", "shop", "web", "dns"],
		);
		assert.deepEqual(
			plan.tables.map(({ table }) => table.family),
			["ip"],
		);
	});

	it("services are listed as kubectl would, without headless ones", async () => {
		const { code, stdout } = await l4("services");
		assert.equal(code, 0);
		assert.equal(
			stdout,
			`NAME   ADDRESSES                 PORTS           ENDPOINTS   HERE   TRAITS
cart   10.96.0.12                9000/tcp        0           0      maglev
shop   10.96.0.11,198.51.100.7   443:30443/tcp   2           1      external Local, source ranges
web    10.96.0.10                80/tcp          2           1      -
`,
		);
		assert.match((await l4("services", "-A")).stdout, /^kube-system +dns +10\.96\.0\.53 +53\/udp/m);
		assert.match(
			(await l4("services", "web", "-o", "wide")).stdout,
			/web +10\.96\.0\.10 .* random +- +Cluster +Cluster +nftables/,
		);
		assert.match((await l4("services", "-o", "yaml", "dns.kube-system")).stdout, /^node:\n {2}name: a\n/);
	});

	it("backends are listed with their share, for whom they answer", async () => {
		const { stdout } = await l4("backends", "shop");
		assert.match(
			stdout,
			/^shop:https +198\.51\.100\.7:443\/tcp \(load balancer\) outside +10\.244\.1\.9:8443 +100% +yes$/m,
		);
		assert.match(
			stdout,
			/^shop:https +198\.51\.100\.7:443\/tcp \(load balancer\) node, pods +10\.244\.2\.9:8443 +50% +no$/m,
		);
		assert.match(
			(await l4("backends", "cart")).stdout,
			/^cart +10\.96\.0\.12:9000\/tcp \(cluster\) +none: refused +- +-$/m,
		);
	});

	it("rules of one Service are those without the others", async () => {
		const { stdout } = await l4("rules", "web", "-o", "nft");
		assert.match(stdout, /10\.96\.0\.10/);
		assert.doesNotMatch(stdout, /10\.96\.0\.11/);
	});

	it("trace says which rule, who may answer with which share, which source, and why", async () => {
		const { stdout } = await l4("trace", "203.0.113.9", "198.51.100.7:443");
		assert.equal(
			stdout,
			`203.0.113.9 (outside) to 198.51.100.7:443/tcp on a: balanced

1. default/shop:https has 198.51.100.7:443/tcp (load balancer).
2. The client is outside, so externalTrafficPolicy Local counts: only endpoints of this node.
3. Only 10.244.1.9:8443 here can answer.
4. The backend sees 203.0.113.9.

BACKEND           SHARE   SEES SOURCE   ON
10.244.1.9:8443   100%    203.0.113.9   this node
`,
		);
	});

	it("trace takes names of Services, the node itself, and pods by their address", async () => {
		const plan = await planOffline({
			filename: [files],
			node: "a",
			nodeAddress: ["192.0.2.1"],
			podRanges: ["10.244.0.0/16"],
		});
		const told = (
			from: string,
			to: string,
			more: Partial<Parameters<typeof connectionOf>[3]> = {},
		): readonly string[] => {
			const connection = connectionOf(plan, from, to, { protocol: "tcp", ...more });
			const balancers = plan.services.flatMap(({ balancers: own }) => own);
			return renderTrace(traceConnection(balancers, plan.node, connection), connection, plan.node).split("\n");
		};
		const first = [
			told("10.244.1.5", "web"),
			told("node", "shop.default:443"),
			told("203.0.114.1", "198.51.100.7"),
			told("10.244.1.5", "kube-system/dns", { protocol: "udp" }),
			told("10.244.1.5", "dns", { protocol: "udp", namespace: "kube-system" }),
			told("10.244.1.5", "10.96.0.10:81"),
			told("10.244.1.5", "192.0.2.99:5", { from: "outside" }),
		].map(([line]) => line);
		assert.deepEqual(first, [
			"10.244.1.5 (a pod) to 10.96.0.10:80/tcp on a: balanced",
			"192.0.2.1 (the node itself) to 10.96.0.11:443/tcp on a: balanced",
			"203.0.114.1 (outside) to 198.51.100.7:443/tcp on a: dropped",
			"10.244.1.5 (a pod) to 10.96.0.53:53/udp on a: refused",
			"10.244.1.5 (a pod) to 10.96.0.53:53/udp on a: refused",
			"10.244.1.5 (a pod) to 10.96.0.10:81/tcp on a: refused",
			"10.244.1.5 (outside) to 192.0.2.99:5/tcp on a: untouched",
		]);
		assert.ok(told("10.244.1.5", "web").some((line) => /^10\.244\.1\.5:8080 +50% +the node's +this node$/.test(line)));
		for (const [from, to] of [
			["10.0.0.1", "web:99999"],
			["10.0.0.1", "10.9.9.9"],
			["10.0.0.1", "a:b:c]"],
		] as const)
			assert.throws(() => told(from, to), CliError, to);
	});

	it("takes what a plan depends on from kube-proxy's file", async () => {
		const config = ["--kube-proxy-config", join(directory, "config.yaml")];
		const { stdout } = await keepmesh(["l4", "services", "-f", files, "--node", "a", "-o", "json", ...config]);
		const { backend, node } = JSON.parse(stdout) as {
			backend: string;
			node: { scheduler: string; localTraffic: object };
		};
		assert.deepEqual([backend, node.scheduler], ["ipvs", "rr"]);
		assert.deepEqual(node.localTraffic, { type: "ranges", ranges: ["10.244.0.0/16"] });
	});

	it("says that nothing here allocates node ports, and passes over what layer 4 does not read", async () => {
		const mixed = join(directory, "mixed");
		mkdirSync(mixed);
		const certificate = { apiVersion: "cert-manager.io/v1", kind: "Certificate", metadata: { name: "c" }, spec: {} };
		const route = {
			apiVersion: "networking.istio.io/v1",
			kind: "VirtualService",
			metadata: { name: "r" },
			spec: { hosts: ["web"], http: [{ timeout: "soon" }] },
		};
		writeFileSync(
			join(mixed, "a.yaml"),
			yamlOf([service("np", { type: "NodePort", ports: [{ port: 80 }] }), certificate, route]),
		);
		const outcomes = await Promise.all(
			["plan", "services"].map((name) => keepmesh(["l4", name, "-f", mixed, "--node", "a"])),
		);
		for (const { code, stderr } of outcomes) {
			assert.equal(code, 0, stderr);
			assert.match(stderr, /no node port: nothing here allocates one[\s\S]*nodePort: 30000\.\.32767/);
			assert.doesNotMatch(stderr, /Certificate|VirtualService/);
		}
		const balanced = [
			service("none", { type: "LoadBalancer", ports: [{ port: 80 }] }),
			service("asks", { type: "LoadBalancer", loadBalancerIP: "192.0.2.9", ports: [{ port: 80 }] }),
			service("own", { type: "LoadBalancer", externalIPs: ["192.0.2.8"], ports: [{ port: 80 }] }),
			service("without", { type: "LoadBalancer", allocateLoadBalancerNodePorts: false, ports: [{ port: 80 }] }),
			service("cloud", { type: "LoadBalancer", loadBalancerClass: "example.com/x", ports: [{ port: 80 }] }),
		];
		const stdin = yamlOf(balanced);
		const said = await keepmesh(["l4", "plan", "-f", "-", "--node", "a"], { stdin });
		assert.deepEqual(said.stderr.match(/Service default\/\w+/g), ["Service default/none"]);
		assert.match(said.stderr, /no node port: nothing here allocates one, nor an address of the load balancer/);
		writeFileSync(join(mixed, "b.yaml"), "kind: [");
		writeFileSync(join(mixed, "c.yaml"), "apiVersion: v1\nkind: Servcie\nmetadata: {name: x}\n");
		const { code, stderr } = await keepmesh(["l4", "plan", "-f", mixed, "--node", "a"]);
		assert.equal(code, 65);
		assert.match(stderr, /b\.yaml/);
		assert.match(stderr, /c\.yaml/);
	});

	it("lists the first of many ports and addresses, and all of them with -o wide", async () => {
		const many = Array.from({ length: 400 }, (_, index) => ({ name: `p${index}`, port: index + 1 }));
		const externalIPs = [1, 2, 3, 4].map((last) => `198.51.100.${last}`);
		const file = join(directory, "many.yaml");
		writeFileSync(file, yamlOf([service("many", { clusterIP: "10.96.0.9", externalIPs, ports: many })]));
		const list = (...more: string[]) => keepmesh(["l4", "services", "-f", file, "--node", "a", ...more]);
		const [short, wide, json] = await Promise.all([list(), list("-o", "wide"), list("-o", "json")]);
		assert.match(short.stdout, /^many +10\.96\.0\.9,198\.51\.100\.1,198\.51\.100\.2,\+2 +1\/tcp,2\/tcp,3\/tcp,\+397 /m);
		assert.match(wide.stdout, /,198\.51\.100\.4 .*,400\/tcp /);
		assert.match(json.stdout, /"p399"/);
	});

	it("prints data that parses, for each command", async () => {
		const uses = [
			["plan"],
			["rules"],
			["services"],
			["backends"],
			["trace", "203.0.113.9", "198.51.100.7:443"],
		] as const;
		for (const { stdout } of await Promise.all(uses.map(([name, ...rest]) => l4(name, ...rest, "-o", "json"))))
			assert.ok(JSON.parse(stdout));
	});

	it("ends quietly when nobody reads any more", async () => {
		const ends = async (redirection: string): Promise<readonly [string, string]> => {
			const line = `"$NODE" --no-warnings "$PROGRAM" l4 plan -f "$FILE" --node a ${redirection}`;
			const env = { ...process.env, NODE: process.execPath, PROGRAM: program, FILE: join(directory, "mixed") };
			// The reader is gone before the first byte is written.
			const script = `mkfifo "$FILE.$$"; exec 8<>"$FILE.$$" 9>"$FILE.$$"; exec 8<&-; ${line}; echo "$?" >&3`;
			const child = promisify(execFile)("bash", ["-c", `{ ${script}; } 3>&1`], { env });
			const { stdout, stderr } = await child;
			return [stdout, stderr];
		};
		assert.deepEqual(await ends("2>/dev/null >&9"), ["0\n", ""]);
		assert.deepEqual(await ends(">/dev/null 2>&9"), ["65\n", ""]);
		assert.deepEqual(await ends("2>&9 >&9"), ["0\n", ""]);
	});

	it("ends wrong use with a code and the next thing to type", async () => {
		const uses: readonly (readonly [number, ...string[]])[] = [
			[64, "plan", "--node", "a"],
			[64, "plan", "-f", files],
			[64, "plan", "-f", files, "--node", "a", "--node-address", "x"],
			[64, "trace", "-f", files, "--node", "a", "nonsense", "web"],
			[64, "trace", "-f", files, "--node", "a", "node", "web"],
			[66, "plan", "-f", files, "--node", "a", "--kube-proxy-config", join(directory, "nowhere")],
			[69, "services", "wib", "-f", files, "--node", "a"],
			[69, "services", "--state", directory],
		];
		const outcomes = await Promise.all(uses.map(([, ...args]) => keepmesh(["l4", ...args])));
		for (const [index, { code, stdout, stderr }] of outcomes.entries()) {
			const what = `keepmesh l4 ${uses[index]?.slice(1).join(" ")}: ${stderr}`;
			assert.equal(code, uses[index]?.[0], what);
			assert.equal(stdout, "", what);
			assert.match(stderr, /\nnext: /, what);
		}
		assert.match(outcomes[6]?.stderr ?? "", /next: keepmesh l4 services default\/web/);
	});

	it("prints what is good of files with mistakes, and ends with 65", async () => {
		const wrong = join(directory, "wrong");
		mkdirSync(wrong);
		writeFileSync(join(wrong, "a.yaml"), yamlOf([web, webSlice, service("bad", { ports: [{ port: 70_000 }] })]));
		const { code, stdout, stderr } = await keepmesh(["l4", "plan", "-f", wrong, "--node", "a"]);
		assert.equal(code, 65);
		assert.match(stdout, /10\.96\.0\.10/);
		assert.match(stderr, /a\.yaml:5:[\s\S]*found 70000[\s\S]*next: keepmesh validate/);
	});
});

function cannotUseNft(): string | false {
	if (process.getuid?.() !== 0) return "needs root";
	return existsSync("/usr/sbin/nft") ? false : "needs nft";
}

describe("keepmesh l4 run beside another", { skip: cannotUseNft() }, () => {
	it("names the process that is in the way, by its state directory or by its network namespace", async () => {
		const directory = mkdtempSync(join(tmpdir(), "keepmesh-l4-twice-"));
		const run = `"${process.execPath}" --no-warnings "${program}" l4 run -f "${directory}/web.yaml" --node a --state`;
		writeFileSync(join(directory, "web.yaml"), yamlOf([web, webSlice]));
		const script = `
			ip link set lo up
			${run} "${directory}/one" 2>/dev/null & runner=$!
			trap 'kill $runner; wait' EXIT
			for i in $(seq 200); do [ -S "${directory}/one/node.sock" ] && grep -q @keepmesh-services /proc/net/unix && break; sleep 0.1; done
			echo "runner $runner"
			${run} "${directory}/one" 2>&1; echo "code $?"
			${run} "${directory}/two" 2>&1; echo "code $?"`;
		try {
			const { stdout } = await promisify(execFile)("unshare", ["--net", "bash", "-c", script], { timeout: 60_000 });
			const pid = /^runner (\d+)$/m.exec(stdout)?.[1];
			const next = stdout.match(/^next: .*$/gm) ?? [];
			assert.deepEqual(stdout.match(/^code \d+$/gm), ["code 69", "code 69"], stdout);
			assert.equal(next.length, 2, stdout);
			for (const line of next) assert.ok(line.startsWith(`next: stop that one first, process ${pid}: `), stdout);
		} finally {
			rmSync(directory, { recursive: true, force: true });
		}
	});
});

describe("keepmesh l4 trace on a running node", { skip: cannotUseNft() }, () => {
	it("tells which connections stay where they are", async () => {
		const directory = mkdtempSync(join(tmpdir(), "keepmesh-l4-trace-"));
		writeFileSync(join(directory, "web.yaml"), yamlOf([web, webSlice]));
		const km = `"${process.execPath}" --no-warnings "${program}" l4`;
		// Both backends are addresses of the node; the connections are made and left open by bash.
		const script = `
			ip link set lo up
			ip link add v0 type veth peer name v1
			ip addr add 192.0.2.1/24 dev v0
			ip link set v0 up; ip link set v1 up
			ip addr add 10.244.1.5/32 dev lo; ip addr add 10.244.2.5/32 dev lo
			ip route add 10.96.0.0/16 dev v0
			"${process.execPath}" -e 'for (const host of ["10.244.1.5", "10.244.2.5"]) require("net").createServer((s) => s.write("hello\\n")).listen(8080, host)' & server=$!
			${km} run -f "${directory}" --node a --state "${directory}/state" --pod-ranges 10.244.0.0/16 & runner=$!
			trap 'kill $server $runner; wait' EXIT
			for i in $(seq 100); do ${km} services --state "${directory}/state" 2>/dev/null | grep -q web && break; sleep 0.1; done
			for i in $(seq 100); do exec 3<>/dev/tcp/10.96.0.10/80 && break; sleep 0.1; done
			read -t 5 answer <&3
			echo "answer $answer"
			${km} trace 192.0.2.1 web --state "${directory}/state"`;
		try {
			const { stdout } = await promisify(execFile)("unshare", ["--net", "bash", "-c", script], { timeout: 60_000 });
			assert.match(stdout, /^answer hello$/m);
			assert.match(stdout, /^192\.0\.2\.1 \((?:outside|the node itself)\) to 10\.96\.0\.10:80\/tcp on a: balanced$/m);
			assert.match(
				stdout,
				/Tracked now, and staying where they are:\nCLIENT .*\n192\.0\.2\.1:\d+ +10\.244\.[12]\.5:8080 +the node's, .* both ways/,
			);
		} finally {
			rmSync(directory, { recursive: true, force: true });
		}
	});
});

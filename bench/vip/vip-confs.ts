// Configurations of the measured programs: one address on two nodes, a with priority 150 and b with 100.

export const virtualAddress = "10.77.0.100";
export const probePort = 7777;

/** What makes the owner unhealthy. */
export type HealthBy = "none" | "script" | "file" | "http";

export interface ConfOptions {
	readonly node: "a" | "b";
	readonly advertSeconds: number;
	readonly health: HealthBy;
	/** A file of the node: with it the script fails, and the track_file reads it. */
	readonly file: string;
	/** Priority of real time and a limit that the kernel never enforces: what its maintainers advise, without its trap. */
	readonly realTime: boolean;
}

export const priorityOf = (node: "a" | "b"): number => (node === "a" ? 150 : 100);

/** The same text for keepalived and for Keepmesh. */
export function keepalivedConf({ node, advertSeconds, health, file, realTime }: ConfOptions): string {
	const tracker =
		health === "script"
			? `vrrp_script chk {\n  script "/usr/bin/test ! -e ${file}"\n  interval 1\n  timeout 1\n  fall 1\n  rise 1\n}`
			: health === "file"
				? `track_file chk {\n  file "${file}"\n  weight 0\n  init_file 0 overwrite\n}`
				: "";
	const tracked = health === "none" || health === "http" ? "" : `  track_${health} {\n    chk\n  }\n`;
	return `global_defs {
  router_id ${node}
  vrrp_version 3
  script_user root
  enable_script_security
${realTime ? "  vrrp_rt_priority 50\n  vrrp_rlimit_rttime 1000000\n" : ""}}
${tracker}
vrrp_instance vip {
  state BACKUP
  interface eth0
  virtual_router_id 51
  priority ${priorityOf(node)}
  advert_int ${advertSeconds}
  virtual_ipaddress {
    ${virtualAddress}/24 dev eth0
  }
${tracked}}
`;
}

/** Every default of the resource but `holdDown`: by default a node that came back waits 10 s, and so would each next run. */
export function virtualIpYaml(options: { readonly profile: "default" | "fast"; readonly healthUrl?: string }): string {
	const { profile, healthUrl } = options;
	const checks = healthUrl === undefined ? "" : `  checks: [{ name: service, http: { url: "${healthUrl}" } }]\n`;
	return `apiVersion: keepmesh.io/v1alpha1
kind: VirtualIP
metadata: { name: vip }
spec:
  addresses: [${virtualAddress}/24]
  interface: eth0
  virtualRouterId: 51
  fastHeartbeat: ${profile}
  holdDown: 0s
  nodes: [{ node: a, priority: ${priorityOf("a")} }, { node: b, priority: ${priorityOf("b")} }]
${checks}`;
}

/** Many virtual routers on one link, for their cost. */
export function manyInstances(count: number, node: "a" | "b", advertSeconds: number): string {
	const instances = Array.from({ length: count }, (_, index) => {
		const last = `${Math.floor(index / 200)}.${(index % 200) + 10}`;
		return `vrrp_instance v${index + 1} {
  state BACKUP
  interface eth0
  virtual_router_id ${index + 1}
  priority ${priorityOf(node)}
  advert_int ${advertSeconds}
  virtual_ipaddress {
    10.78.${last}/16 dev eth0
  }
}`;
	});
	return `global_defs {\n  router_id ${node}\n  vrrp_version 3\n}\n${instances.join("\n")}\n`;
}

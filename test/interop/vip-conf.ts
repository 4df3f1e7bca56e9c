// Text of keepalived.conf for a test: one file that keepalived and Keepmesh read alike.

export interface ConfOptions {
	readonly version?: 2 | 3;
	readonly family?: "ipv4" | "ipv6";
	readonly priority?: number;
	/** Seconds, as in the file. Default 0.1. */
	readonly advert?: string;
	readonly state?: "MASTER" | "BACKUP";
	readonly virtualRouterId?: number;
	readonly addresses?: readonly string[];
	/** More lines of global_defs. */
	readonly global?: readonly string[];
	/** Blocks before the instance. */
	readonly before?: readonly string[];
	/** More lines of the instance. */
	readonly more?: readonly string[];
	/** Blocks after the instance. */
	readonly after?: readonly string[];
	readonly name?: string;
}

export const vip4 = "10.77.0.100";
export const vip6 = "fd77::100";
const linkLocalVip = "fe80::100";

export function instanceConf(options: ConfOptions = {}): string {
	const { family = "ipv4", version = 3, priority = 100, advert = "0.1", state = "BACKUP", more = [] } = options;
	const addresses = options.addresses ?? (family === "ipv4" ? [`${vip4}/24`] : [`${linkLocalVip}/64`, `${vip6}/64`]);
	return [
		`vrrp_instance ${options.name ?? "web"} {`,
		`  state ${state}`,
		`  interface eth0`,
		`  version ${version}`,
		`  virtual_router_id ${options.virtualRouterId ?? 51}`,
		`  priority ${priority}`,
		`  advert_int ${version === 2 && options.advert === undefined ? "1" : advert}`,
		...more.map((line) => `  ${line}`),
		`  virtual_ipaddress {`,
		...addresses.map((address) => `    ${address} dev eth0`),
		`  }`,
		`}`,
	].join("\n");
}

export function conf(options: ConfOptions = {}): string {
	return [
		"global_defs {",
		"  router_id test",
		"  script_user root",
		"  enable_script_security",
		"  vrrp_garp_master_delay 1",
		...(options.global ?? []).map((line) => `  ${line}`),
		"}",
		...(options.before ?? []),
		instanceConf(options),
		...(options.after ?? []),
		"",
	].join("\n");
}

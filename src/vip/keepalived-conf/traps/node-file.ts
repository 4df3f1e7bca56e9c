// One node's keepalived.conf, read, as the traps look at it: together with those of the other nodes.

import type { InstanceConfig, VipConfig } from "../../vip-config.ts";
import type { Report } from "../conf-report.ts";

export interface NodeFile {
	/** The file's path, which stands for the node. */
	readonly path: string;
	readonly config: VipConfig;
	/** Line of a directive of an instance; that of the block when it is not there. */
	line(instance: string, directive: string): number;
}

/** The same virtual router on several nodes. */
export interface VirtualRouter {
	readonly vrid: number;
	readonly family: "ipv4" | "ipv6";
	readonly members: readonly Member[];
}

export interface Member {
	readonly file: NodeFile;
	readonly instance: InstanceConfig;
}

/** Instances of one VRID and family that share an address or a name, or stand alone in their files. */
export function virtualRouters(files: readonly NodeFile[]): readonly VirtualRouter[] {
	const routers = new Map<string, { vrid: number; family: "ipv4" | "ipv6"; members: Member[] }>();
	for (const file of files)
		for (const instance of file.config.instances) {
			const key = `${instance.virtualRouterId} ${instance.family} ${siblingOf(file, instance)}`;
			const router = routers.get(key) ?? { vrid: instance.virtualRouterId, family: instance.family, members: [] };
			router.members.push({ file, instance });
			routers.set(key, router);
		}
	return [...routers.values()];
}

/** Which of the instances with the same VRID in one file: they are on different interfaces. */
function siblingOf({ config }: NodeFile, instance: InstanceConfig): number {
	const same = config.instances.filter(
		({ virtualRouterId, family }) => virtualRouterId === instance.virtualRouterId && family === instance.family,
	);
	return same.indexOf(instance);
}

/** Says a trap at a directive of an instance. */
export function trap(
	report: Report,
	{ file, instance }: Member,
	directive: string,
	message: string,
	hint: string,
): void {
	const place = { file: file.path, line: file.line(instance.name, directive) };
	report.warn({ place, block: `vrrp_instance ${instance.name}`, directive }, message, hint, "KM-trap");
}

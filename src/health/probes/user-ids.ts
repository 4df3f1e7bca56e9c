// Numbers of users and groups from their names, as /etc/passwd and /etc/group have them.

import { readFileSync } from "node:fs";

export interface UserIds {
	readonly uid: number;
	readonly gid: number;
}

/** Names or numbers; the group defaults to the user's. Undefined when there is no such user or group. */
export function userIds(user: string, group?: string): UserIds | undefined {
	const entry = lines("/etc/passwd").find((fields) => fields[0] === user || fields[2] === user);
	const uid = entry ? Number(entry[2]) : /^\d+$/.test(user) ? Number(user) : undefined;
	const gid = group === undefined ? entry && Number(entry[3]) : groupId(group);
	return uid === undefined || gid === undefined ? undefined : { uid, gid };
}

function groupId(group: string): number | undefined {
	const entry = lines("/etc/group").find((fields) => fields[0] === group);
	if (entry) return Number(entry[2]);
	return /^\d+$/.test(group) ? Number(group) : undefined;
}

function lines(path: string): readonly (readonly string[])[] {
	try {
		return readFileSync(path, "utf8")
			.split("\n")
			.map((line) => line.split(":"));
	} catch {
		return [];
	}
}

// What is measured: which programs on a and b, at which interval, with which fault.

import { type HealthBy, keepalivedConf, virtualIpYaml } from "./vip-confs.ts";
import { servicePort } from "./vip-pair.ts";
import type { Program, VipSide } from "./vip-side.ts";

export type Fault = "none" | "crash" | "stop" | "health" | "split";
export type Profile = "default" | "fast";

export interface Lane {
	readonly fault: Fault;
	readonly a: Program;
	readonly b: Program;
	/** Of the adverts; or what Keepmesh does by itself between its nodes, with adverts of 1 s. */
	readonly pace: number | Profile;
	readonly health: HealthBy;
	/** Most that the median may be, in milliseconds. */
	readonly target?: number;
}

/** Same program on both, or a first. */
export function laneName({ fault, a, b, pace, health }: Lane): string {
	const programs = a === b ? a : `${a}, then ${b}`;
	const by = health === "none" ? "" : ` by ${health}`;
	return `${fault}${by}, ${programs}, ${typeof pace === "number" ? `adverts ${pace} s` : pace}`;
}

export const lanes: readonly Lane[] = [
	lane("none", "keepmesh", "default"),
	...[1, 0.1, 0.01].flatMap((pace) => [
		lane("crash", "keepalived", pace),
		lane("crash", "keepmesh", pace),
		{ ...lane("crash", "keepalived", pace), b: "keepmesh" as const },
	]),
	{ ...lane("crash", "keepmesh", "default"), target: 120 },
	{ ...lane("crash", "keepmesh", "fast"), target: 70 },
	...[1, 0.1, 0.01].flatMap((pace) => [
		lane("stop", "keepalived", pace),
		lane("stop", "keepmesh", pace),
		{ ...lane("stop", "keepalived", pace), b: "keepmesh" as const },
		{ ...lane("stop", "keepmesh", pace), b: "keepalived" as const },
	]),
	lane("stop", "keepmesh", "default"),
	lane("stop", "keepmesh", "fast"),
	{ ...lane("health", "keepalived", 1), health: "script" },
	{ ...lane("health", "keepmesh", 1), health: "script" },
	...[1, 0.1, 0.01].flatMap((pace) => [
		{ ...lane("health", "keepalived", pace), health: "file" as const },
		{ ...lane("health", "keepmesh", pace), health: "file" as const },
	]),
	{ ...lane("health", "keepmesh", "default"), health: "http", target: 100 },
	{ ...lane("health", "keepmesh", "fast"), health: "http", target: 100 },
	...[1, 0.1, 0.01].flatMap((pace) => [
		lane("split", "keepalived", pace),
		{ ...lane("split", "keepmesh", pace), target: pace * 1000 },
	]),
	{ ...lane("split", "keepmesh", "default"), target: 1000 },
	{ ...lane("split", "keepmesh", "fast"), target: 1000 },
];

function lane(fault: Fault, program: Program, pace: number | Profile): Lane {
	return { fault, a: program, b: program, pace, health: "none" };
}

export function advertSeconds({ pace }: Lane): number {
	return typeof pace === "number" ? pace : 1;
}

export function startSide(side: VipSide, { a, b, pace, health }: Lane): void {
	const program = side.node === "a" ? a : b;
	if (typeof pace === "number") {
		const realTime = program === "keepalived";
		const { node, fault: file } = side;
		side.start(program, keepalivedConf({ node, advertSeconds: pace, health, file, realTime }));
		return;
	}
	const http = health === "http" ? { healthUrl: `http://127.0.0.1:${servicePort}/` } : {};
	side.start(program, virtualIpYaml({ profile: pace, ...http }), "resources");
}

// Rules of HotSwitch.

import { describeRules } from "./rules.testing.ts";

describeRules("HotSwitch", [
	["nothing but defaults", "{}"],
	[
		"the whole of it",
		"selector: {matchLabels: {app: web}}\nenabled: true\nsteps: [spare, direct]\nfailOpen: permissive\nlease: 80ms\nheartbeat: 20ms\nhang: 200ms\nprove: 1s\nflap: {count: 5, window: 2m, maxProve: 30s}\ndirectLimit: 10m",
	],
	["no step at all", "steps: []"],
	["a step that there is not", "steps: [closed]", "error spec.steps[0]"],
	["a step twice", "steps: [spare, spare]", "error spec.steps[1]: spare is there already"],
	["plaintext under STRICT", "failOpen: always", "warning spec.failOpen: also under STRICT"],
	[
		"plaintext that no step gives",
		"steps: [spare]\nfailOpen: permissive",
		"warning spec.failOpen: failOpen: permissive has no effect",
	],
	["never, without the step", "steps: [spare]\nfailOpen: never"],
	["an unknown answer to failOpen", "failOpen: sometimes", "error spec.failOpen"],
	["a number as duration", "lease: 60", "error spec.lease"],
	["a heartbeat of a millisecond", "heartbeat: 1ms", "error spec.heartbeat: must be from 5ms to 10s"],
	["a fraction of a millisecond", "lease: 60.5ms", "error spec.lease: must be a multiple of 1ms"],
	[
		"a lease that one late sign of life ends",
		"heartbeat: 50ms\nlease: 80ms",
		"error spec.lease: must be at least twice the heartbeat, 100ms, found 80ms",
	],
	[
		"a hang before the lease is over",
		"lease: 300ms\nhang: 200ms",
		"error spec.hang: must be at least the lease, 300ms, found 200ms",
	],
	[
		"a lease too short for the default heartbeat",
		"lease: 30ms",
		"warning spec.lease: unless a wider HotSwitch says otherwise, twice the heartbeat is 60ms",
	],
	[
		"a lease longer than the default hang",
		"lease: 200ms",
		"warning spec.lease: unless a wider HotSwitch says otherwise, the lease is 200ms: the hang will be as long",
	],
	["proving at once", "prove: 0s"],
	[
		"proving longer than at most",
		"prove: 2s\nflap: {maxProve: 1s}",
		"error spec.flap.maxProve: must be at least prove, 2s",
	],
	["flapping from none on", "flap: {count: 0}", "error spec.flap.count"],
	["a limit of nothing", "directLimit: 10ms", "error spec.directLimit: must be from 1s to 168h"],
	["a selector with a wildcard", "selector: {matchLabels: {app: 'w*'}}", "error spec.selector.matchLabels"],
	["a field that there is not", "timeout: 1s", "error spec.timeout"],
]);

// The control plane that takes writes is killed; a change is asked for at another one in the same moment.

import type { Drill } from "../drill.ts";

const waitMs = 10_000;

export const leaderCrashDrill: Drill = {
	name: "leader-crash",
	summary: "the control plane that leads is killed while an operator changes a rule at another one",
	bars: { lost: 0, convergeMs: 1_000, wrong: 0 },
	inject: async (mesh) => {
		const leader = await mesh.leader?.();
		if (!leader) throw new Error("there is no group of control planes here");
		await leader.whole();
		const first = (await leader.numberSeen()) ?? 0;
		let wrong = 0;
		const untilSeen = async (number: number): Promise<void> => {
			const endMs = mesh.nowMs() + waitMs;
			for (;;) {
				const seen = (await leader.numberSeen()) ?? 0;
				if (seen === number) return;
				// Configuration that goes backwards.
				if (seen < number - 1) wrong += 1;
				if (mesh.nowMs() > endMs) throw new Error(`the change ${number} is not seen`);
				await mesh.sleep(5);
			}
		};
		await leader.write(first + 1);
		await untilSeen(first + 1);
		await leader.killLeader();
		const faultMs = mesh.nowMs();
		await leader.write(first + 2);
		const detectMs = mesh.nowMs() - faultMs;
		await untilSeen(first + 2);
		const convergeMs = mesh.nowMs() - faultMs;
		await leader.whole();
		return { detectMs, convergeMs, wrong };
	},
};

// HotSwitch: what its fields are for, and the rules that the API server itself holds.

import type { FieldNotes } from "./field-notes.ts";

const atLeast = (longer: string, times: string, shorter: string, message: string) => ({
	rule: `!has(self.${longer}) || !has(self.${shorter}) || duration(self.${longer}) >= ${times}duration(self.${shorter})`,
	message,
	fieldPath: `.${longer}`,
});

export const hotSwitchNotes: FieldNotes = {
	"": {
		says: "What may be done for workloads whose proxy fails. In the root namespace without selector it is for the mesh, elsewhere for its namespace, with a selector for those workloads; the nearest that says a field decides.",
		rules: [
			atLeast("lease", "duration(self.heartbeat) + ", "heartbeat", "must be at least twice the heartbeat"),
			atLeast("hang", "", "lease", "must be at least the lease"),
			{
				rule: "!has(self.prove) || !has(self.flap) || !has(self.flap.maxProve) || duration(self.flap.maxProve) >= duration(self.prove)",
				message: "flap.maxProve must be at least prove",
				fieldPath: ".flap",
			},
		],
	},
	selector: "The workloads. Default: all of the namespace.",
	"selector.matchLabels": "All of these labels.",
	enabled: "Default true. Off: a failed proxy is started again, and nothing else is done.",
	steps: {
		says: "Steps below the workload's own proxy that may be taken. Default both; none: connections are refused.",
		maxItems: 2,
		listType: "set",
	},
	failOpen:
		"Past every proxy: never, only where the workload's mutual TLS permits plaintext (permissive, the default), or always.",
	lease: "How long the kernel redirects without a sign of life from the proxy. Default 90ms.",
	heartbeat: "Between two signs of life. Default 30ms.",
	hang: "Without a sign of life for so long the proxy is killed. Default 100ms.",
	prove: "Good in a row for so long before the proxy gets connections back. Default 500ms.",
	flap: "A proxy that fails often has to prove itself for longer.",
	"flap.count": "From so many failures on. Default 3.",
	"flap.window": "Within this time. Default 60s.",
	"flap.maxProve": "Proving is doubled each time up to this. Default 60s.",
	directLimit: "Going without any proxy ends after so long. Default: no limit.",
};

// Fields of HotSwitch, keepmesh.io/v1alpha1.

import { choice, duration, durationOrZero, flag, labels, list, struct, whole } from "./shape.ts";

export const hotSwitchShape = struct({
	selector: struct({ matchLabels: labels }),
	enabled: flag,
	steps: list(choice("spare", "direct")),
	failOpen: choice("never", "permissive", "always"),
	lease: duration,
	heartbeat: duration,
	hang: duration,
	prove: durationOrZero,
	flap: struct({ count: whole(1, 1000, "a whole number from 1 to 1000"), window: duration, maxProve: duration }),
	directLimit: duration,
});

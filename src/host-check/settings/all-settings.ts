// The whole table, in the order in which findings of one level are shown.

import type { Setting } from "../setting.ts";
import { addressSettings } from "./address-settings.ts";
import { conflictSettings } from "./conflict-settings.ts";
import { conntrackSettings } from "./conntrack-settings.ts";
import { forwardingSettings } from "./forwarding-settings.ts";
import { ipvsSettings } from "./ipvs-settings.ts";
import { kernelSettings } from "./kernel-settings.ts";
import { limitSettings } from "./limit-settings.ts";
import { queueSettings } from "./queue-settings.ts";
import { rightSettings } from "./right-settings.ts";

export const allSettings: readonly Setting[] = [
	...rightSettings,
	...kernelSettings,
	...forwardingSettings,
	...addressSettings,
	...conntrackSettings,
	...ipvsSettings,
	...queueSettings,
	...limitSettings,
	...conflictSettings,
];

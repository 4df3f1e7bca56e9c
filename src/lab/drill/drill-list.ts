// Every drill, in the order in which `keepmesh drill all` runs them.

import type { Drill } from "./drill.ts";
import { noneDrill } from "./drills/none.ts";
import { rotateIssuerDrill } from "./drills/rotate-issuer.ts";
import { rotateLeafDrill } from "./drills/rotate-leaf.ts";
import { rotateRootDrill } from "./drills/rotate-root.ts";

export const drillList: readonly Drill[] = [noneDrill, rotateLeafDrill, rotateIssuerDrill, rotateRootDrill];

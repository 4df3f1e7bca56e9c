import { describe } from "node:test";
import { testReferences } from "./references.testing.ts";

const pod = "Pod default/web {containers: [{name: a}]}";
const hotSwitch = (name: string, fields: string, namespace = "default"): string =>
	`HotSwitch ${namespace}/${name} {${fields}}`;
const web = "selector: {matchLabels: {app: web}}";

describe("HotSwitches among each other, and the workloads they are for", () => {
	testReferences([
		[
			"one for the mesh, one for a namespace and one for a workload",
			[pod, hotSwitch("a", "", "istio-system"), hotSwitch("b", ""), hotSwitch("c", web)],
		],
		[
			"a second one for a namespace, and which decides",
			[hotSwitch("b", ""), hotSwitch("a", "enabled: false")],
			"IST0167 warning HotSwitch default/a spec: HotSwitch default/b, which is older, decides for namespace default",
		],
		[
			"a second one for the mesh",
			[hotSwitch("b", "", "istio-system"), hotSwitch("a", "", "istio-system")],
			"IST0167 warning HotSwitch istio-system/a spec: HotSwitch istio-system/b, which is older, decides for the whole mesh",
		],
		[
			"a second one for a workload",
			[pod, hotSwitch("b", web), hotSwitch("a", "selector: {matchLabels: {version: v1}}")],
			"IST0167 warning HotSwitch default/a spec.selector: HotSwitch default/b, which is older, selects web too",
		],
		[
			"one with a selector in the root namespace",
			[pod, hotSwitch("a", web, "istio-system")],
			"IST0167 warning HotSwitch istio-system/a spec.selector: in the root namespace a HotSwitch with a selector",
		],
		[
			"a selector that selects nothing",
			[pod, hotSwitch("a", "selector: {matchLabels: {app: wbe}}")],
			"IST0127 warning HotSwitch default/a spec.selector: selects nothing: no workload of namespace default has app=wbe",
		],
	]);
});

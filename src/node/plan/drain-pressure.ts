// The part of a pod's start configuration that lets the agent drain it by a budget. In: Envoy's overload manager, and a file. Out:
// the same, which reads a number from 0 to 1 in that file: the probability with which a response ends its connection. Without the
// file it is 0.

interface OverloadManager {
	readonly resource_monitors: readonly object[];
}

const monitorName = "envoy.resource_monitors.injected_resource";

/** A file that is put in the other's place by a rename is read at once; otherwise Envoy looks each second. */
export function drainPressure(manager: OverloadManager, file: string): object {
	return {
		...manager,
		resource_monitors: [
			...manager.resource_monitors,
			{
				name: monitorName,
				typed_config: {
					"@type": "type.googleapis.com/envoy.extensions.resource_monitors.injected_resource.v3.InjectedResourceConfig",
					filename: file,
				},
			},
		],
		actions: [
			{
				name: "envoy.overload_actions.disable_http_keepalive",
				triggers: [{ name: monitorName, scaled: { scaling_threshold: 0, saturation_threshold: 1 } }],
			},
		],
	};
}

// Where it is asked for: the leader writes the mesh's roots into every meshed namespace, for tools and gateways that look there.

import { RootConfigMaps } from "../../kubernetes/authority/root-config-maps.ts";
import type { StartControlPart } from "./control-part.ts";

export const rootConfigMapsPart: StartControlPart = async (context) => {
	const { certificates, client, clock, leadership, log, options } = context;
	if (!certificates || !options.writesRootConfigMaps) return { close: () => {} };
	const { authority } = certificates;
	const roots = (): readonly string[] | undefined => (leadership.isLeader ? authority.bundle().roots : undefined);
	const maps = new RootConfigMaps({ client, clock, log, roots });
	const look = (): void => maps.look();
	const unfollow = [authority.onChange(look), leadership.follow(look)];
	return {
		close: () => {
			for (const stop of unfollow) stop();
			maps.close();
		},
	};
};

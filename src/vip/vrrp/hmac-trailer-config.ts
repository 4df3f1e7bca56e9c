// How an instance's HMAC authentication is read: keys as text or `hex:`, the window as keepalived derives it.

import type { VrrpAuthentication } from "../vip-config.ts";
import type { HmacTrailerConfig } from "./hmac-trailer.ts";

type HmacAuthentication = Extract<VrrpAuthentication, { readonly type: "hmac" }>;

/** The window is 3 intervals, at least 5 seconds, where none is set. */
export function hmacTrailerConfig(authentication: HmacAuthentication, advertIntervalMs: number): HmacTrailerConfig {
	const activeKey = authentication.keyId ?? 1;
	const keys = new Map<number, Uint8Array>();
	for (const { id, key } of authentication.otherKeys ?? []) keys.set(id, hmacKeyBytes(key));
	keys.set(activeKey, hmacKeyBytes(authentication.key));
	return {
		keys,
		activeKey,
		windowSeconds: authentication.windowSeconds ?? Math.max(5, Math.ceil((3 * advertIntervalMs) / 1000)),
		mode: authentication.mode ?? "enforce",
	};
}

/** `hex:00ff..` as bytes, any other text as UTF-8. */
export function hmacKeyBytes(text: string): Uint8Array {
	const hex = /^hex:((?:[0-9a-fA-F]{2})+)$/.exec(text)?.[1];
	if (!hex) return new TextEncoder().encode(text);
	const bytes = new Uint8Array(hex.length / 2);
	for (let index = 0; index < bytes.length; index++) {
		bytes[index] = Number.parseInt(hex.slice(2 * index, 2 * index + 2), 16);
	}
	return bytes;
}

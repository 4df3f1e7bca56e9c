// Port numbers that stand as text: keys of mappings, entries of policies.

/** `0` to `65535`, in digits only. */
export function isPortText(text: string): boolean {
	return /^\d{1,5}$/.test(text) && Number(text) <= 65535;
}

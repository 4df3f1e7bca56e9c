// Which names in a directory of resources are read, and which are left alone: hidden files, editors' backups and swaps.

/** True for `.yaml`, `.yml` and `.json` files that no editor made for itself. */
export function isResourceFileName(name: string): boolean {
	return /\.(?:ya?ml|json)$/i.test(name) && !isIgnoredName(name);
}

/** Hidden entries (`.git`, `.x.yaml.swp`, Kubernetes' `..data`), `#autosave#`, `backup~`, vim's probe file `4913`. */
export function isIgnoredName(name: string): boolean {
	return (
		name.startsWith(".") ||
		name.startsWith("#") ||
		name.endsWith("~") ||
		/\.(?:sw[a-p]|bak|tmp|orig|rej|part)$/i.test(name) ||
		/^\d{4,5}$/.test(name)
	);
}

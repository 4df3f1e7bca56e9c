// The programs that a lab runs, given by whoever puts the lab together.

export interface LabPrograms {
	/** This program's own command line, `[node, bin/keepmesh.ts]`. */
	readonly keepmesh: readonly string[];
	/** The sample application's, `[node, samples/bookinfo/bookinfo.ts]`. */
	readonly sample: readonly string[];
	readonly envoy: string;
	/** The lab's file with image rules; need not exist. */
	readonly labFile: string;
	/** Environment of every process of the lab. */
	readonly env: Readonly<Record<string, string>>;
}

// Where the content of the test images comes from, beside this machine's packages.

export interface ImageSources {
	readonly checkout: string;
	readonly envoy: string;
	readonly node: string;
	/** Directory of `pause` and `coredns`. */
	readonly programs: string;
}

// Why a command cannot do what was asked, and what to type next.

export class ClusterError extends Error {
	readonly next: string;

	constructor(message: string, next: string) {
		super(message);
		this.next = next;
	}
}

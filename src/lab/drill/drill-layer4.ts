// What drills of layer 4 need: Services whose connections the nodes' kernels balance, and ways to break who stands behind them.

export interface DrillLayer4 {
	/**
	 * SIGKILL to the server of one pod, whose container is started again. Resolves when it serves again, with the times from the
	 * kill until no new connection can meet it, and until new connections meet it again.
	 */
	crashBackend(): Promise<{ readonly outMs: number; readonly backMs: number }>;
	/**
	 * The node that balances loses its cable, and the network sends its connections through another, which never saw them.
	 * Resolves when that is done.
	 */
	loseNode(): Promise<void>;
	/** The node is back, and balances again. */
	repairNode(): Promise<void>;
}

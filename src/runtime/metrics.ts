// What every part counts through. Behind it is prom-client, one registry for each process; the text is Prometheus' format.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

export type Labels = Readonly<Record<string, string>>;

export interface CounterMetric {
	add(amount?: number, labels?: Labels): void;
}

export interface GaugeMetric {
	set(value: number, labels?: Labels): void;
}

export interface HistogramMetric {
	observe(value: number, labels?: Labels): void;
}

/** Asking twice for one name gives the same metric. Names carry their unit: `keepmesh_xds_sent_bytes_total`. */
export interface Metrics {
	counter(name: string, help: string, labelNames?: readonly string[]): CounterMetric;
	gauge(name: string, help: string, labelNames?: readonly string[]): GaugeMetric;
	histogram(name: string, help: string, buckets: readonly number[], labelNames?: readonly string[]): HistogramMetric;
}

export interface MetricsRegistry extends Metrics {
	/** The whole registry in Prometheus' text format. */
	render(): Promise<string>;
	readonly contentType: string;
}

export interface MetricsOptions {
	/** Also count what the process itself uses: CPU, memory, event-loop lag. Default false. */
	readonly process?: boolean;
}

export function createMetrics(options: MetricsOptions = {}): MetricsRegistry {
	const registry = new Registry();
	if (options.process) collectDefaultMetrics({ register: registry });
	const registers = [registry];
	const known = new Map<string, unknown>();
	const once = <Metric>(name: string, make: () => Metric): Metric => {
		const existing = known.get(name);
		if (existing !== undefined) return existing as Metric;
		const made = make();
		known.set(name, made);
		return made;
	};
	return {
		counter: (name, help, labelNames = []) =>
			once(name, (): CounterMetric => {
				const counter = new Counter({ name, help, labelNames: [...labelNames], registers });
				return { add: (amount = 1, labels = {}) => counter.inc(labels, amount) };
			}),
		gauge: (name, help, labelNames = []) =>
			once(name, (): GaugeMetric => {
				const gauge = new Gauge({ name, help, labelNames: [...labelNames], registers });
				return { set: (value, labels = {}) => gauge.set(labels, value) };
			}),
		histogram: (name, help, buckets, labelNames = []) =>
			once(name, (): HistogramMetric => {
				const histogram = new Histogram({ name, help, buckets: [...buckets], labelNames: [...labelNames], registers });
				return { observe: (value, labels = {}) => histogram.observe(labels, value) };
			}),
		render: () => registry.metrics(),
		contentType: registry.contentType,
	};
}

const ignore = (): void => {};

/** For tests and benchmarks. */
export const noMetrics: Metrics = {
	counter: () => ({ add: ignore }),
	gauge: () => ({ set: ignore }),
	histogram: () => ({ observe: ignore }),
};

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { mergeMetrics } from "./merge-metrics.ts";

const toProxy = {
	"prometheus.io/scrape": "true",
	"prometheus.io/port": "15020",
	"prometheus.io/path": "/stats/prometheus",
};

describe("metrics of a pod with a proxy", () => {
	it("are found at the proxy, which is told where the application's are", () => {
		const own = { "prometheus.io/scrape": "true", "prometheus.io/port": "9090", "prometheus.io/path": "/m", a: "b" };
		assert.deepEqual(mergeMetrics(own, true), {
			annotations: { a: "b", ...toProxy },
			variable: '{"scrape":"true","path":"/m","port":"9090"}',
		});
	});

	it("are found at the proxy also when the application has none", () => {
		assert.deepEqual(mergeMetrics({ a: "b" }, true), { annotations: { a: "b", ...toProxy } });
	});

	it("are found once, however the annotations were written", () => {
		const merged = mergeMetrics({ prometheus_io_port: "9090", "prometheus.io/port": "9090" }, true);
		assert.deepEqual(merged?.annotations, toProxy);
	});

	it("stay where they are when somebody says so", () => {
		assert.equal(mergeMetrics({ "prometheus.io/scrape": "false" }, true), undefined);
		assert.equal(mergeMetrics({ "prometheus.istio.io/merge-metrics": "false" }, true), undefined);
		assert.equal(mergeMetrics({}, false), undefined);
		assert.notEqual(mergeMetrics({ "prometheus.istio.io/merge-metrics": "true" }, false), undefined);
		assert.equal(mergeMetrics(toProxy, true), undefined);
	});
});

// CLOCK_MONOTONIC in microseconds. The same in every thread and process of the machine, unlike performance.now().

export const monotonicUs = (): number => Number(process.hrtime.bigint()) / 1000;

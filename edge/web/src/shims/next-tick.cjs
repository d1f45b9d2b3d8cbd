// In place of the package `process-nextick-args`, which asks Node for it.

exports.nextTick = (task, ...values) => queueMicrotask(() => task(...values));

// Times of a run: whole microseconds of the monotonic clock since the run began.
const start = process.hrtime.bigint();

export function nowUs() {
  return Number((process.hrtime.bigint() - start) / 1000n);
}

export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

// Waits until `condition` (async) gives something true; null when the time is over.
export async function until(condition, timeoutMs, everyMs = 20) {
  const deadline = nowUs() + timeoutMs * 1000;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (nowUs() > deadline) return null;
    await sleep(everyMs);
  }
}

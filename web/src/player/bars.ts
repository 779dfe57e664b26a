// The bars of a waveform, from the service's peaks.

/** Returns the highest peak in each of `count` equal spans, from 0 to 1, where 1 is the highest of all. */
export function barsOf(peaks: readonly number[], count: number): number[] {
  const most = peaks.reduce((highest, peak) => Math.max(highest, peak), 0) || 1;
  return Array.from({ length: count }, (_, bar) => {
    const first = Math.floor((bar * peaks.length) / count);
    const last = Math.max(first + 1, Math.floor(((bar + 1) * peaks.length) / count));
    return Math.max(0, ...peaks.slice(first, last)) / most;
  });
}

/** Returns an SVG path that draws the bars around the middle: each `step` wide, with a gap of a third. */
export function pathOf(bars: readonly number[], step: number, height: number): string {
  const width = (step * 2) / 3;
  return bars
    .map((bar, place) => {
      // Silence is a dot, so that it differs from no waveform.
      const half = Math.max(1, (bar * (height - 2)) / 2);
      return `M${(place * step).toFixed(1)} ${(height / 2 - half).toFixed(1)}h${width.toFixed(1)}v${(2 * half).toFixed(1)}h-${width.toFixed(1)}z`;
    })
    .join("");
}

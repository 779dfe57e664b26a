/** Follows a pressed pointer; `onmove` receives its place across the waveform that the target lies on, from 0 to 1. */
export function follow(event: PointerEvent & { currentTarget: HTMLElement }, onmove: (share: number) => void): void {
  if (event.button !== 0) return;
  const { currentTarget: target, pointerId } = event;
  const box = (target.offsetParent ?? target).getBoundingClientRect();
  // The pointer rarely hits the exact place; what it moves keeps its distance.
  const distance = event.clientX - placeOf(target);
  const move = (next: PointerEvent) =>
    onmove(Math.min(1, Math.max(0, (next.clientX - distance - box.left) / box.width)));
  const end = () => {
    for (const name of ["pointerup", "pointercancel"] as const) target.removeEventListener(name, end);
    target.removeEventListener("pointermove", move);
  };
  target.setPointerCapture(pointerId);
  target.addEventListener("pointermove", move);
  for (const name of ["pointerup", "pointercancel"] as const) target.addEventListener(name, end);
}

/** Where the element's `left` puts it, whatever it is translated by. */
function placeOf(target: HTMLElement): number {
  const parent = (target.offsetParent ?? target).getBoundingClientRect();
  return parent.left + target.offsetLeft;
}

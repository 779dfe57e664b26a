// The current view. The fragment holds it, so that it works behind any path prefix and without the server.

export const VIEWS = ["convert", "history", "account", "admin", "sign-in"] as const;
export type View = (typeof VIEWS)[number];

/** Returns the view that a fragment (`#/history`) names, and the rest of it. The default is the first view. */
export function viewOf(fragment: string): { view: View; rest: string } {
  const [name = "", ...rest] = fragment.replace(/^#\/?/, "").split("/");
  const view = VIEWS.find((known) => known === name);
  return view ? { view, rest: rest.join("/") } : { view: "convert", rest: "" };
}

/** The URL of a view, for links. */
export function hrefOf(view: View): string {
  return view === "convert" ? "#/" : `#/${view}`;
}

let current = $state(viewOf(location.hash));
addEventListener("hashchange", () => (current = viewOf(location.hash)));

export const route = {
  get view(): View {
    return current.view;
  },
  /** The text after the view's name: `tokens` in `#/account/tokens`. */
  get rest(): string {
    return current.rest;
  },
};

export function go(view: View): void {
  location.hash = hrefOf(view);
}
